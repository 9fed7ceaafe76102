/**
 * The registers that a debugger sees of a vCPU, always the same and always as a 64-bit processor has them: a guest that goes
 * from real to long mode changes their values, not their number or size. Each row says where in the state it is.
 */
import { CR0, RFLAGS } from '../../src/abi/registers.ts';
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import { UsageError } from '../../src/errors.ts';
import type { VcpuRegisters } from '../../src/runner/stops/vcpu-debug.ts';
import { readTagWord, writeTagWord, XSAVE, xsaveHas, xsaveTouch } from './xsave-area.ts';

/** The group that a register is described in. */
export type RegisterGroup = 'core' | 'sse' | 'avx' | 'segments' | 'system';

/** How a value is shown. */
export type RegisterType =
  | 'int'
  | 'code_ptr'
  | 'data_ptr'
  | 'float'
  | 'vector'
  | 'eflags'
  | 'mxcsr'
  | 'half'
  | 'cr0'
  | 'cr4'
  | 'efer';

/** One register. Values are little-endian bytes. */
export interface Register {
  readonly name: string;
  readonly group: RegisterGroup;
  readonly bits: number;
  readonly type: RegisterType;
  /** Its bytes, a copy. */
  read(state: VcpuRegisters): Uint8Array;
  /** Changes the state. Throws UsageError for a value that it cannot have. */
  write(state: MutableRegisters, value: Uint8Array): void;
}

/** Registers that are being changed. `changed`: the parts that are to be written to the vCPU. */
export interface MutableRegisters extends VcpuRegisters {
  kernelGsBase: bigint;
  readonly changed: Set<keyof VcpuRegisters>;
}

/** A copy to be changed. */
export const mutable = ({ regs, sregs, xsave, kernelGsBase }: VcpuRegisters): MutableRegisters => ({
  regs: regs.slice(),
  sregs: sregs.slice(),
  xsave: xsave.slice(),
  kernelGsBase,
  changed: new Set(),
});

/** The parts that were changed. */
export function changedParts(state: MutableRegisters): Partial<VcpuRegisters> {
  return Object.fromEntries([...state.changed].map((part) => [part, state[part]]));
}

type StructPart = 'regs' | 'sregs';

/** A register that is `size` bytes at an offset of a struct, shown with `bits`. */
function inStruct(
  part: StructPart,
  offset: number,
  size: number,
  row: Pick<Register, 'name' | 'group' | 'bits' | 'type'>,
): Register {
  return {
    ...row,
    read: (state) => widened(state[part].subarray(offset, offset + size), row.bits / 8),
    write(state, value) {
      if (value.subarray(size).some((byte) => byte !== 0))
        throw new UsageError(`${row.name} has ${8 * size} bits: the value does not fit`);
      state[part].set(value.subarray(0, size), offset);
      state.changed.add(part);
    },
  };
}

function widened(bytes: Uint8Array, size: number): Uint8Array {
  const wide = new Uint8Array(size);
  wide.set(bytes.subarray(0, size));
  return wide;
}

const general = (name: keyof typeof KvmRegs.fields, type: RegisterType = 'int', bits = 64): Register =>
  inStruct('regs', KvmRegs.fields[name][0], 8, {
    name: name === 'rflags' ? 'eflags' : name,
    group: 'core',
    bits,
    type,
  });

const SEGMENT_SELECTOR = 12;
const DTABLE_LIMIT = 8;

type SegmentName = 'cs' | 'ss' | 'ds' | 'es' | 'fs' | 'gs';

/**
 * A selector. In real mode its base follows. In other modes a new selector needs what its descriptor says, which only the
 * guest's own instructions load; writing the same value is no change.
 */
function selector(name: SegmentName): Register {
  const offset = KvmSregs.fields[name][0];
  const plain = inStruct('sregs', offset + SEGMENT_SELECTOR, 2, { name, group: 'core', bits: 32, type: 'int' });
  return {
    ...plain,
    write(state, value) {
      const sregs = KvmSregs.over(state.sregs);
      const wanted = new DataView(value.buffer, value.byteOffset, value.length).getUint32(0, true);
      if (wanted === sregs[name].selector) return;
      const isReal = (sregs.cr0 & CR0.PE) === 0n || (KvmRegs.over(state.regs).rflags & RFLAGS.VM) !== 0n;
      if (!isReal)
        throw new UsageError(`${name} cannot be set in this mode: the guest loads a segment from its descriptor table`);
      plain.write(state, value);
      sregs[name].base = BigInt(wanted) << 4n;
    },
  };
}

const system = (name: string, offset: number, size: number, type: RegisterType = 'int', bits = 8 * size): Register =>
  inStruct('sregs', offset, size, { name, group: 'system', bits, type });

const at = KvmSregs.fields;

/** A piece of the XSAVE area that belongs to one of its components. */
function inXsave(
  offset: number,
  size: number,
  component: bigint,
  row: Pick<Register, 'name' | 'group' | 'bits' | 'type'>,
  initial: Uint8Array = new Uint8Array(size),
): Register {
  return {
    ...row,
    read: (state) =>
      widened(xsaveHas(state.xsave, component) ? state.xsave.subarray(offset, offset + size) : initial, row.bits / 8),
    write(state, value) {
      if (state.xsave.length < offset + size) throw new UsageError(`this host keeps no ${row.name}`);
      if (value.subarray(size).some((byte) => byte !== 0)) throw new UsageError(`${row.name} has ${8 * size} bits`);
      xsaveTouch(state.xsave, component);
      state.xsave.set(value.subarray(0, size), offset);
      state.changed.add('xsave');
    },
  };
}

const x87 = (name: string, offset: number, size: number, initial?: Uint8Array): Register =>
  inXsave(offset, size, XSAVE.X87, { name, group: 'core', bits: 32, type: 'int' }, initial);

const NUMBERS_8 = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const NUMBERS_16 = [...NUMBERS_8, 8, 9, 10, 11, 12, 13, 14, 15] as const;

const FTAG: Register = {
  name: 'ftag',
  group: 'core',
  bits: 32,
  type: 'int',
  read: (state) => widened(Uint8Array.of(...word(readTagWord(state.xsave))), 4),
  write(state, value) {
    if (state.xsave.length === 0) throw new UsageError('this host keeps no ftag');
    xsaveTouch(state.xsave, XSAVE.X87);
    writeTagWord(state.xsave, value[0]! | (value[1]! << 8));
    state.changed.add('xsave');
  },
};

const word = (value: number) => [value & 0xff, value >> 8];

const KERNEL_GS_BASE: Register = {
  name: 'k_gs_base',
  group: 'system',
  bits: 64,
  type: 'int',
  read(state) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, state.kernelGsBase, true);
    return bytes;
  },
  write(state, value) {
    state.kernelGsBase = new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0, true);
    state.changed.add('kernelGsBase');
  },
};

/** Every register, in the order of debuggers: the names and groups of GDB's "Standard Target Features" for x86, then our own. */
export const REGISTERS: readonly Register[] = [
  ...(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi'] as const).map((name) => general(name)),
  general('rbp', 'data_ptr'),
  general('rsp', 'data_ptr'),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const).map((name) => general(name)),
  general('rip', 'code_ptr'),
  general('rflags', 'eflags', 32),
  ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const).map(selector),
  ...NUMBERS_8.map((i) =>
    inXsave(32 + 16 * i, 10, XSAVE.X87, { name: `st${i}`, group: 'core', bits: 80, type: 'float' }),
  ),
  x87('fctrl', 0, 2, Uint8Array.of(0x7f, 0x03)),
  x87('fstat', 2, 2),
  FTAG,
  x87('fiseg', 12, 2),
  x87('fioff', 8, 4),
  x87('foseg', 20, 2),
  x87('fooff', 16, 4),
  x87('fop', 6, 2),
  ...NUMBERS_16.map((i) =>
    inXsave(160 + 16 * i, 16, XSAVE.SSE, { name: `xmm${i}`, group: 'sse', bits: 128, type: 'vector' }),
  ),
  inXsave(24, 4, XSAVE.SSE, { name: 'mxcsr', group: 'sse', bits: 32, type: 'mxcsr' }, Uint8Array.of(0x80, 0x1f, 0, 0)),
  ...NUMBERS_16.map((i) =>
    inXsave(576 + 16 * i, 16, XSAVE.AVX, { name: `ymm${i}h`, group: 'avx', bits: 128, type: 'half' }),
  ),
  inStruct('sregs', at.fs[0], 8, { name: 'fs_base', group: 'segments', bits: 64, type: 'int' }),
  inStruct('sregs', at.gs[0], 8, { name: 'gs_base', group: 'segments', bits: 64, type: 'int' }),
  KERNEL_GS_BASE,
  system('cr0', at.cr0[0], 8, 'cr0'),
  system('cr2', at.cr2[0], 8),
  system('cr3', at.cr3[0], 8),
  system('cr4', at.cr4[0], 8, 'cr4'),
  system('cr8', at.cr8[0], 8),
  system('efer', at.efer[0], 8, 'efer'),
  ...(['cs', 'ss', 'ds', 'es'] as const).map((name) => system(`${name}_base`, at[name][0], 8)),
  ...(['tr', 'ldt'] as const).flatMap((name) => [
    system(name, at[name][0] + SEGMENT_SELECTOR, 2, 'int', 32),
    system(`${name}_base`, at[name][0], 8),
  ]),
  ...(['gdt', 'idt'] as const).flatMap((name) => [
    system(`${name}_base`, at[name][0], 8),
    system(`${name}_limit`, at[name][0] + DTABLE_LIMIT, 2, 'int', 32),
  ]),
];

/** All registers, one after the other. */
export const ALL_BYTES: number = REGISTERS.reduce((sum, { bits }) => sum + bits / 8, 0);

/** The number of a register in {@link REGISTERS}. */
export const registerNumber = (name: string): number => REGISTERS.findIndex((register) => register.name === name);

/** All registers, one after the other, in bytes. */
export function readAll(state: VcpuRegisters): Uint8Array {
  return new Uint8Array(Buffer.concat(REGISTERS.map((register) => register.read(state))));
}

/** Changes all registers whose bytes differ. Throws UsageError for one that cannot be changed so, and RangeError. */
export function writeAll(state: MutableRegisters, bytes: Uint8Array): void {
  if (bytes.length !== ALL_BYTES) throw new UsageError(`all registers are ${ALL_BYTES} bytes, not ${bytes.length}`);
  let from = 0;
  for (const register of REGISTERS) {
    const value = bytes.subarray(from, from + register.bits / 8);
    from += value.length;
    if (Buffer.compare(value, register.read(state)) !== 0) register.write(state, value);
  }
}
