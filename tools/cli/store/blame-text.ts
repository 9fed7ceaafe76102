/** Changes of memory with who made them, for people and as data. */

import { instructionText, writerText } from '../../../debug/blame/write-text.ts';
import type { MemoryWrite } from '../../../debug/blame/writes.ts';
import type { SymbolTable } from '../../../loaders/symbols.ts';
import { hex } from './format.ts';

/** A number where it is as wide as one, else bytes. */
function valueText(bytes: Uint8Array): string {
  const isNumber = [1, 2, 4, 8].includes(bytes.length);
  const digits = Buffer.from(isNumber ? bytes.toReversed() : bytes).toString('hex');
  if (isNumber) return `0x${digits}`;
  return bytes.length <= 32 ? digits : `${digits.slice(0, 64)}… (${bytes.length} bytes)`;
}

const symbolAt = (symbols: SymbolTable, rip: bigint | undefined) =>
  rip === undefined ? undefined : symbols.describe(rip);

const REGISTERS = [
  ...['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
] as const;

/** The registers, four a line. */
function registerLines({ regs }: MemoryWrite): string[] {
  if (!regs) return [];
  const values = regs as unknown as Record<string, bigint>;
  const cells = REGISTERS.map((name) => `${name.padEnd(3)} ${hex(values[name]!).padEnd(18)}`);
  return [0, 4, 8, 12].map(
    (at) =>
      `    ${cells
        .slice(at, at + 4)
        .join('  ')
        .trimEnd()}`,
  );
}

/** A change in some lines. */
export function blameText(write: MemoryWrite, symbols: SymbolTable): string {
  return [writerText(write, symbols), `    ${valueText(write.old)} -> ${valueText(write.new)}`, ...registerLines(write)]
    .map((line) => `${line}\n`)
    .join('');
}

/** A change as `--json` gives it. */
export function blameData(write: MemoryWrite, symbols: SymbolTable) {
  const { position, isExact, until, ms, by, device, rip } = write;
  const symbol = symbolAt(symbols, rip);
  const instruction = instructionText(write);
  return {
    position: isExact ? position : { exits: position.exits },
    ...(until !== undefined && { until }),
    time: ms,
    by,
    ...(by === 'vcpu' ? { vcpu: 0 } : { device }),
    ...(rip !== undefined && { rip }),
    ...(symbol !== undefined && { symbol }),
    ...(instruction !== undefined && { instruction }),
    old: Buffer.from(write.old).toString('hex'),
    new: Buffer.from(write.new).toString('hex'),
  };
}
