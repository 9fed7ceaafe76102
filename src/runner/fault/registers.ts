/** Registers as a compact table: general-purpose ones in columns, control registers with their bits by name. */
import { hex } from '../../abi/numbers.ts';
import { decodeFlags, REGISTER_FLAGS } from '../../abi/registers.ts';
import type { FaultData, SegmentData } from './collect.ts';

const GENERAL = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const OLD = 8;
const COLUMNS = 4;
const SEGMENTS = ['cs', 'ds', 'es', 'ss', 'fs', 'gs', 'tr', 'ldt'] as const;

const hexOf = (value: bigint | number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;

/** Lines of the register table. */
export function registerTable({ regs, sregs, mode }: FaultData): string[] {
  const long = mode.bits === 64;
  const names = long ? GENERAL : GENERAL.slice(0, OLD);
  const cell = (name: string) => `${shortName(name, long)} ${hexOf(regs[name] ?? 0n, long ? 16 : 8)}`;
  const rows = Array.from({ length: names.length / COLUMNS }, (_, row) =>
    names
      .slice(row * COLUMNS, (row + 1) * COLUMNS)
      .map(cell)
      .join('  '),
  );
  return [
    ...rows,
    `${shortName('rip', long)} ${hexOf(regs.rip ?? 0n, long ? 16 : 8)}  ${flags('rflags', regs.rflags ?? 0n)}`,
    `${flags('cr0', sregs.cr0)}  cr2 ${hex(sregs.cr2)}  cr3 ${hex(sregs.cr3)}`,
    `${flags('cr4', sregs.cr4)}  ${flags('efer', sregs.efer)}`,
    ...segmentLines(sregs),
    `gdt base ${hex(sregs.gdt.base)} limit ${hex(sregs.gdt.limit)}  idt base ${hex(sregs.idt.base)} limit ${hex(sregs.idt.limit)}`,
  ];
}

/** RAX is EAX to 32-bit code; names keep their width of three. */
const shortName = (name: string, long: boolean) => (long ? name : name.replace(/^r/, 'e')).padEnd(3);

function flags(name: string, value: bigint): string {
  const names = decodeFlags(REGISTER_FLAGS[name] ?? {}, value).filter((flag) => flag !== 'FIXED');
  return `${name} ${hex(value)}${names.length ? ` [${names.join(' ')}]` : ''}`;
}

const SYSTEM_TYPES: Readonly<Record<number, string>> = {
  1: '16-bit TSS',
  2: 'LDT',
  3: '16-bit TSS, busy',
  9: 'TSS',
  11: 'TSS, busy',
};

/** One line for each set of segment registers that are the same. */
function segmentLines(sregs: FaultData['sregs']): string[] {
  const byText = new Map<string, string[]>();
  for (const name of SEGMENTS) {
    if (sregs[name].unusable !== 0) continue;
    const text = describeSegment(sregs[name]);
    byText.set(text, [...(byText.get(text) ?? []), name]);
  }
  return Array.from(byText, ([text, names]) => `${names.join(' ')} ${text}`);
}

function describeSegment({ selector, base, limit, type, s, dpl, db, l, present }: SegmentData): string {
  const width = l ? '64-bit' : db ? '32-bit' : '16-bit';
  const kind = s ? `${width} ${type & 8 ? 'code' : 'data'}` : (SYSTEM_TYPES[type] ?? `system type ${type}`);
  const there = present ? '' : ', not present';
  return `${hexOf(selector, 4)} base ${hex(base)} limit ${hex(limit)} ${kind}, ring ${dpl}${there}`;
}
