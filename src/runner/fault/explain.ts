/** A fault report for people: what happened and what to do, where, the code there, the registers. */
import { hex } from '../../abi/numbers.ts';
import { LONGEST_INSTRUCTION } from '../assist.ts';
import type { FaultData } from './collect.ts';
import { type CodeLine, disassemble } from './disassemble.ts';
import { lostRegisters } from './evidence.ts';
import { explainReason } from './reasons.ts';
import { registerTable } from './registers.ts';

/** Names addresses; for example the symbol table of the guest's image. */
export interface SymbolNames {
  /** The symbol that holds a linear address, and the bytes from its start. */
  nearest(
    address: bigint,
  ): { readonly symbol: { readonly name: string }; readonly offset: number | bigint } | undefined;
}

const INSTRUCTIONS = 5;
const LINE_WIDTH = 100;
const BYTES_WIDTH = 24;

/** The report, several lines without a final line end. Needs no vCPU: it may run in any thread, at any time. */
export function explainFault(data: FaultData, symbols?: SymbolNames): string {
  const { mode, walks, code } = data;
  const all = disassemble(code, walks.rip.linear, mode.bits, INSTRUCTIONS);
  const lines = all.filter(complete(code, walks.rip.linear)).slice(0, lastMeaningful(all) + 1);
  return [
    ...wrap(explainReason({ data, line: lines[0] }).join(' ')),
    '',
    `vCPU ${data.vcpu} at ${place(data, symbols)}, ${mode.name} mode, ${mode.bits}-bit code, ring ${mode.cpl}`,
    ...(lostRegisters(data) ? [] : lines.map(codeLine)),
    '',
    ...registerTable(data).map((line) => `  ${line}`),
  ].join('\n');
}

/** Leaves out an instruction that seems bad only because the bytes end in its middle. */
const complete = (code: Uint8Array, start: bigint) => (line: CodeLine, index: number) =>
  index === 0 || line.mnemonic !== '' || Number(line.address - start) + LONGEST_INSTRUCTION <= code.length;

/** Index of the last line that is not all zeros: zeros after the code decode as additions, and are not shown. */
const lastMeaningful = (lines: readonly CodeLine[]) =>
  Math.max(
    0,
    lines.findLastIndex(({ bytes }) => bytes.some((byte) => byte !== 0)),
  );

function place({ walks: { rip } }: FaultData, symbols: SymbolNames | undefined): string {
  const found = symbols?.nearest(rip.linear);
  const name = found && ` <${found.symbol.name}${BigInt(found.offset) === 0n ? '' : `+${hex(found.offset)}`}>`;
  const physical = rip.physical !== undefined && BigInt(rip.physical) !== rip.linear;
  return `${hex(rip.linear)}${name ?? ''}${physical ? ` (guest-physical ${hex(rip.physical)})` : ''}`;
}

function codeLine({ address, bytes, text }: CodeLine, index: number): string {
  const dump = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `${index === 0 ? '=>' : '  '} ${hex(address)}  ${dump.padEnd(BYTES_WIDTH)} ${text}`;
}

function wrap(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > LINE_WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
