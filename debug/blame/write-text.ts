/** Who made a change of memory, in words. */
import type { SymbolTable } from '../../loaders/symbols.ts';
import { hex } from '../../src/abi/numbers.ts';
import { disassemble } from '../../src/runner/fault/disassemble.ts';
import { positionText } from '../recording/position.ts';
import type { MemoryWrite } from './writes.ts';

/** The instruction in Intel syntax; undefined where it is not known. */
export function instructionText({ code, rip, bits }: MemoryWrite): string | undefined {
  if (!code || rip === undefined || bits === undefined) return undefined;
  const [line] = disassemble(code, rip, bits, 1);
  return line?.text;
}

const whoText = ({ by, device }: MemoryWrite) =>
  by === 'vcpu' ? 'vCPU 0' : by === 'device' ? `the device ${device}` : `the host (${device})`;

/** Where and by whom, in a line. */
export function writerText(write: MemoryWrite, symbols: Pick<SymbolTable, 'describe'>): string {
  const { position, isExact, until, rip, ms } = write;
  const place = rip === undefined ? [] : [symbols.describe(rip) ?? hex(rip), instructionText(write) ?? ''];
  const where = isExact
    ? `at ${positionText(position)}`
    : `between ${positionText(position)} and ${until ?? 'the next exit'}`;
  return `${where}, ${ms} ms: ${[whoText(write), ...place].filter((part) => part !== '').join('  ')}`;
}
