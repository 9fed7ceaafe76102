/** Running machines and what they did, in words. */

import type { ListedMachine } from '../control/machines.ts';
import type { CheckpointSummary, MachineStatus } from '../control/protocol.ts';
import { columns } from './output.ts';
import { byteText, counted, printable, short } from './store/format.ts';

/** A time span with its two largest units: "2 h 5 min", "12 s". */
export function spanText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return `${Math.round(ms)} ms`;
  const shown = parts.slice(first, first + 2).filter(([n]) => n > 0);
  return shown.map(([n, unit]) => `${n} ${unit}`).join(' ');
}

/** A checkpoint in a few words: short digest, label or tags. */
export function checkpointText({ digest, label, tags }: CheckpointSummary): string {
  const names = [...(tags ?? []), ...(label === undefined ? [] : [`"${label}"`])];
  return [short(digest), ...names.map(printable)].join(' ');
}

/** Pages, bytes, pause of a checkpoint, and how far its moment lies behind the one it was asked for. */
export function checkpointStats({ stats }: Pick<CheckpointSummary, 'stats'>): string {
  const { pages = 0, bytes = 0, pauseUs = 0, lagUs } = stats;
  const late = lagUs === undefined ? '' : `, ${lagText(lagUs)} after its trigger`;
  return `${counted(pages, 'page')}, ${counted(bytes, 'byte')}, pause ${(pauseUs / 1000).toFixed(2)} ms${late}`;
}

const lagText = (us: number) => (us < 100_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`);

const ago = ({ time }: CheckpointSummary) => `${spanText(Math.max(0, Date.now() - Date.parse(time)))} ago`;

/** The table of `vmlapse ps`. */
export function machineTable(machines: readonly ListedMachine[]): string {
  if (machines.length === 0) return 'no machine with a name runs (give one: vmlapse run --name NAME)\n';
  const head = ['NAME', 'PID', 'STATE', 'VCPUS', 'RAM', 'UPTIME', 'LAST CHECKPOINT', 'GUEST'];
  return columns([head, ...machines.map(({ name, status }) => (status ? row(status) : [name, '?', 'no answer']))]);
}

const row = (s: MachineStatus) => [
  s.name,
  String(s.pid),
  s.state,
  String(s.cpus),
  byteText(s.memory),
  spanText(s.uptimeMs),
  s.lastCheckpoint ? `${checkpointText(s.lastCheckpoint)}, ${ago(s.lastCheckpoint)}` : '-',
  printable(s.guest ?? '-'),
];

/** `vmlapse status`. */
export function statusText(s: MachineStatus): string {
  const last = s.lastCheckpoint;
  return columns([
    ['name', s.name],
    ['state', s.checkpointing ? `${s.state}, a checkpoint is being written` : s.state],
    ['process', String(s.pid)],
    ['guest', printable(s.guest ?? 'unknown')],
    ['vCPUs', String(s.cpus)],
    ['RAM', byteText(s.memory)],
    ['started', `${s.started} (${spanText(s.uptimeMs)} ago)`],
    ['store', printable(s.store ?? 'none: it cannot be checkpointed')],
    ...(s.recorded === undefined ? [] : [['recorded', counted(s.recorded, 'exit')]]),
    ['last checkpoint', last ? `${checkpointText(last)}, ${ago(last)}: ${checkpointStats(last)}` : 'none'],
    ['rollback goes to', s.base ? `${checkpointText(s.base)}, ${ago(s.base)}` : 'nowhere: there is no checkpoint'],
  ]);
}
