/** One checkpoint for people. */
import type { MachineDescription } from '../../../snapshot/machine-description.ts';
import type { StateField, StateSection } from '../../../snapshot/show/field.ts';
import type { MemoryMap } from '../../../snapshot/show/memory-map.ts';
import type { LogEntry } from '../../../snapshot/store/history/history.ts';
import type { DiskDescription } from '../../../src/machine/disks.ts';
import { columnLines } from '../output.ts';
import { byteText, counted, fieldText, hex, pauseText, printable, short, timeText, valueText } from './format.ts';
import type { Paint } from './paint.ts';

/** What `show` shows. */
export interface Shown {
  readonly entry: Omit<LogEntry, 'parentMissing'>;
  readonly description: MachineDescription;
  readonly state: readonly StateSection[];
  readonly memory: MemoryMap;
  readonly disks: readonly ShownDisk[];
  /** Lines of the text screen; none where it is empty. */
  readonly screen: readonly string[];
  /** What it does not hold, a sentence each. */
  readonly notes: readonly string[];
}

/** A disk, and how many blocks of 4 KiB its guest had written. */
export interface ShownDisk extends DiskDescription {
  readonly blocks: number;
}

/** Everything; `all` also the fields that are zero, and CPUID. */
export function showText(
  { entry, description, state, memory, disks, screen, notes }: Shown,
  paint: Paint,
  all = false,
): string {
  const sections = state.filter(({ path }) => all || path !== 'machine/cpuid');
  return [
    ...headText(entry, description, paint),
    ...notes.map((note) => `note: ${note}`),
    ...sections.flatMap((section) => sectionText(section, paint, all)),
    ...screenSection(screen, paint),
    ...memoryText(memory, paint),
    ...disks.flatMap((disk, index) => diskText(disk, index, paint)),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function headText(entry: Shown['entry'], description: MachineDescription, paint: Paint): string[] {
  const { digest, tags, parent, label, time, pages, bytes, stats } = entry;
  const { memory, cpus, irqchip, userChips, host, guest } = description;
  const chip = userChips ? 'chips in user space' : irqchip ? 'irqchip' : 'no irqchip';
  const rows: [string, string][] = [
    ['checkpoint', paint('digest', digest)],
    ['tags', paint('tag', printable(tags.join(', ')))],
    ['label', paint('label', printable(label ?? ''))],
    ['time', `${timeText(time)} UTC`],
    ['parent', parent ? short(parent) : 'none: a first checkpoint'],
    ['cost', `${counted(pages, 'page')}, ${byteText(bytes)}`],
    ['pause', stats.pauseUs === undefined ? '' : pauseText(stats.pauseUs)],
    ['machine', `${byteText(memory)} of RAM, ${counted(cpus, 'vCPU')}, ${chip}`],
    ['taken on', `KVM ${printable(String(host.kvm))}, TSC ${host.tscKhz} kHz`],
    ['guest', guest ? `${printable(String(guest.path))} (${printable(String(guest.format))})` : ''],
  ];
  return columnLines(rows.filter(([, value]) => value !== ''));
}

const isZero = ({ value }: StateField) =>
  value instanceof Uint8Array ? value.every((byte) => byte === 0) : value === 0n;

function sectionText({ path, title, fields }: StateSection, paint: Paint, all: boolean): string[] {
  const kept = all ? fields : fields.filter((field) => KEPT_WHEN_ZERO.test(path) || !isZero(field));
  const left = fields.length - kept.length;
  if (kept.length === 0) return all ? [] : ['', `${paint('heading', title)}  ${paint('quiet', 'all zero')}`];
  const zeros = left > 0 ? `  ${paint('quiet', `${left} more, zero`)}` : '';
  return ['', paint('heading', title) + zeros, ...columnLines(linesOf(joinEqual(kept), paint), '  ')];
}

const KEPT_WHEN_ZERO = /^vcpu\/\d+\/(regs|mp_state)$/;

/** Numbered neighbours that say the same in words, like the unused pins of a chip, become one: "pin3-23". */
function joinEqual(fields: readonly StateField[]): StateField[] {
  const joined: StateField[] = [];
  for (const field of fields) {
    const [, base, number] = /^([a-z_]+?)(\d+)$/.exec(field.name) ?? [];
    const last = joined.at(-1);
    const [, lastBase, from, to] = /^([a-z_]+?)(\d+)(?:-(\d+))?$/.exec(last?.name ?? '') ?? [];
    const follows = base !== undefined && base === lastBase && Number(number) === Number(to ?? from) + 1;
    if (last && follows && field.meaning !== undefined && field.meaning === last.meaning && field.value === last.value)
      joined[joined.length - 1] = { ...last, name: `${base}${from}-${number}` };
    else joined.push(field);
  }
  return joined;
}

/** Plain numbers stand three in a line, members of one thing in a line of their own, the rest alone. */
function linesOf(fields: readonly StateField[], paint: Paint): string[][] {
  const rows: string[][] = [];
  const row = { open: false, of: '' };
  for (const field of fields) {
    const [group, member] = splitName(field.name);
    const short = member === undefined && field.meaning === undefined && typeof field.value === 'bigint';
    if (member !== undefined) {
      const cell = `${member}=${typeof field.value === 'bigint' ? hex(field.value) : valueText(field)}`;
      const text = field.meaning ? `${cell} (${field.meaning})` : cell;
      if (row.open && row.of === group) rows.at(-1)!.push(text);
      else rows.push([paint('label', group), text]);
      Object.assign(row, { open: true, of: group });
    } else if (short) {
      const cells = [paint('label', field.name), valueText(field)];
      if (row.open && row.of === '' && rows.at(-1)!.length < 6) rows.at(-1)!.push(...cells);
      else rows.push(cells);
      Object.assign(row, { open: true, of: '' });
    } else {
      rows.push([paint('label', field.name), fieldText(field)]);
      row.open = false;
    }
  }
  return rows;
}

function splitName(name: string): [string, string | undefined] {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

function screenSection(lines: readonly string[], paint: Paint): string[] {
  return lines.length === 0 ? [] : ['', paint('heading', 'text screen'), ...lines.map((line) => `  | ${line}`)];
}

function diskText({ path, bytes, sha256, readOnly, blocks }: ShownDisk, index: number, paint: Paint): string[] {
  const facts = [byteText(bytes), ...(readOnly ? ['read-only'] : []), `${counted(blocks, 'block')} of 4 KiB written`];
  return [
    '',
    `${paint('heading', `disk ${index}`)}  ${facts.join(', ')}`,
    `  over ${printable(path)}, sha256 ${sha256}`,
  ];
}

function memoryText({ stored, delta, zero, ranges, layers }: MemoryMap, paint: Paint): string[] {
  const sum = `${counted(stored, 'page')} stored, ${delta} as deltas, ${zero} known to be zero; all others are zero`;
  return [
    '',
    `${paint('heading', 'memory')}  ${sum}`,
    ...columnLines(
      ranges.map((range) => [
        `${hex(range.gpa)}..${hex(range.gpa + range.length - 1)}`,
        byteText(range.length),
        `${range.stored} stored`,
        `${range.delta} delta`,
        `${range.zero} zero`,
      ]),
      '  ',
    ),
    '',
    `${paint('heading', 'layers')}  oldest first`,
    ...columnLines(
      layers.map(({ digest, size, pages }) => [
        paint('digest', short(digest)),
        byteText(size),
        `${counted(pages, 'page')} of this checkpoint`,
      ]),
      '  ',
    ),
  ];
}
