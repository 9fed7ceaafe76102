/** What a recording says of the time between a checkpoint and its parent: exits by kind, and what was printed. */
import { type LoggedExit, LogReader } from '../../debug/recording/log.ts';
import { decodeSegment } from '../../debug/recording/segment.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { EXIT_REASONS, Exit } from '../../src/abi/exits.ts';
import { hex } from '../../src/abi/numbers.ts';
import type { Recorded } from './timeline-types.ts';

const COM1 = 0x3f8;
const [LINE_CONTROL, MODEM_CONTROL] = [COM1 + 3, COM1 + 4];
/** The divisor is at the port of the data; output comes back as input. */
const [DIVISOR_LATCH, LOOPBACK] = [0x80, 0x10];

const KINDS_SHOWN = 16;
/** More of the text of one interval than this is cut off at its front. */
const MOST_TEXT = 16 * 1024;

/** Absent where the checkpoint has no recording. Throws CheckpointError for a damaged one. */
export function recordedSince(store: Store, digest: Digest): Recorded | undefined {
  const bytes = store.recording(digest);
  if (!bytes) return undefined;
  const reader = new LogReader(decodeSegment(bytes, digest.slice(0, 19)).log, digest.slice(0, 19));
  const counts = new Map<string, number>();
  const port = { control: 0, modem: 0, text: [] as number[] };
  for (let entry = reader.take(); entry; entry = reader.take()) {
    if (entry.kind !== 'exit') continue;
    const kind = kindOf(entry);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (entry.isWrite && entry.reason === Exit.IO) written(port, entry);
  }
  const exits = [...counts].sort((a, b) => b[1] - a[1]);
  const rest = exits.slice(KINDS_SHOWN).reduce((sum, [, count]) => sum + count, 0);
  return {
    exits: [...exits.slice(0, KINDS_SHOWN), ...(rest > 0 ? [['others', rest] as const] : [])],
    serial: Buffer.from(port.text).toString('utf8'),
  };
}

function kindOf({ reason, address, isWrite }: LoggedExit): string {
  const name = EXIT_REASONS[reason] ?? `exit ${reason}`;
  if (address === undefined) return name;
  return reason === Exit.IO ? `${isWrite ? 'OUT to' : 'IN from'} port ${hex(address)}` : `${name} at ${hex(address)}`;
}

function written(port: { control: number; modem: number; text: number[] }, { address, data = EMPTY }: LoggedExit) {
  if (address === LINE_CONTROL) port.control = data.at(-1) ?? 0;
  if (address === MODEM_CONTROL) port.modem = data.at(-1) ?? 0;
  if (address !== COM1 || port.control & DIVISOR_LATCH || port.modem & LOOPBACK) return;
  port.text.push(...data);
  if (port.text.length > 2 * MOST_TEXT) port.text = port.text.slice(-MOST_TEXT);
}

const EMPTY = new Uint8Array(0);
