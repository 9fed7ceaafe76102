/** Guests of a few bytes, written by hand in the tests that run them. */

import type { Vcpu } from '../../src/kvm/vcpu.ts';
import type { CpuMode, EntryState } from '../../src/machine/entry.ts';
import { Machine } from '../../src/machine/machine.ts';

/** Where the code of a flat guest lies. */
export const CODE = 0x8000;
/** A page for its data; RBX holds the address at entry. */
export const DATA = 0x2_0000;
/** Its interrupt descriptor table, when it has one. */
const IDT = 0x3_0000;
const OCCUPIED = [
  { base: CODE, size: 0x2000 },
  { base: DATA, size: 0x2000 },
  { base: IDT, size: 0x1000 },
];

/** What a flat guest is. */
export interface FlatGuest {
  readonly mode: CpuMode;
  /** Machine code as hex; blanks and line ends are for the reader. */
  readonly code: string;
  readonly data?: Uint8Array;
  /** Handlers by vector, as hex; each gets a gate in the IDT. */
  readonly handlers?: Readonly<Record<number, string>>;
  readonly regs?: EntryState['regs'];
  readonly irqchip?: boolean;
}

/** The bytes of a hex string with blanks. */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));

/** Builds the machine and its vCPU, calls `use`, and takes both down. */
export function withGuest<T>(guest: FlatGuest, use: (machine: Machine, vcpu: Vcpu) => T): T {
  using machine = Machine.create({ memory: 2 ** 20, irqchip: guest.irqchip ?? false });
  machine.memory.write(CODE, hex(guest.code));
  if (guest.data) machine.memory.write(DATA, guest.data);
  const rip = BigInt(CODE);
  const cs = guest.mode === 'real' ? { cs: { selector: 0, base: 0 } } : {};
  machine.setBoot({ mode: guest.mode, rip, regs: { rbx: BigInt(DATA), ...guest.regs }, ...cs }, OCCUPIED);
  using vcpu = machine.createVcpu(0);
  if (guest.handlers) writeIdt(machine, vcpu, guest.mode, guest.handlers);
  return use(machine, vcpu);
}

function writeIdt(machine: Machine, vcpu: Vcpu, mode: CpuMode, handlers: Readonly<Record<number, string>>): void {
  const width = mode === 'long' ? 16 : 8;
  const sregs = vcpu.getSregs();
  let at = CODE + 0x1000;
  for (const [vector, code] of Object.entries(handlers)) {
    const gate = Buffer.alloc(width);
    gate.writeUInt16LE(at, 0);
    gate.writeUInt16LE(sregs.cs.selector, 2);
    gate[5] = 0x8e;
    machine.memory.write(IDT + Number(vector) * width, gate);
    machine.memory.write(at, hex(code));
    at += 0x100;
  }
  sregs.idt.base = BigInt(IDT);
  sregs.idt.limit = 0xfff;
  vcpu.setSregs(sregs);
}
