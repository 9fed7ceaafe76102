/** The notes of an ELF core file: registers and floating point of each vCPU, which debuggers show as threads. */
import { bytesOf, struct } from '../../src/abi/struct.ts';
import { KvmFpu, KvmRegs } from '../../src/abi/structs.ts';
import { bytes as raw, type Type, u16, u32, u64 } from '../../src/abi/types.ts';
import type { VcpuState } from '../../src/kvm/state/vcpu-state.ts';
import { sregsOf } from '../page-tables.ts';

/** How the kernel lays the notes out for one kind of program. Bytes. */
interface NoteLayout {
  /** struct user_regs_struct, in the order of its words. */
  readonly words: readonly string[];
  readonly word: Type<bigint>;
  /** struct elf_prstatus (include/linux/elfcore.h): its size, and what is filled in; signals and times stay zero. */
  readonly prstatus: { readonly size: number; readonly pid: number; readonly regs: number; readonly fpvalid: number };
  /** The note that holds what FXSAVE writes. */
  readonly floatingPoint: { readonly type: number; readonly name: string };
}

const word32: Type<bigint> = {
  size: 4,
  ctype: '__u32',
  read: (view, at) => BigInt(u32.read(view, at)),
  write: (view, at, value) => u32.write(view, at, Number(BigInt.asUintN(32, value))),
};

const LAYOUTS: Readonly<Record<32 | 64, NoteLayout>> = {
  // arch/x86/include/asm/user_32.h; NT_PRXFPREG.
  32: {
    words: [
      ...['rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rax', 'ds', 'es', 'fs', 'gs'],
      ...['orig_rax', 'rip', 'cs', 'rflags', 'rsp', 'ss'],
    ],
    word: word32,
    prstatus: { size: 144, pid: 24, regs: 72, fpvalid: 140 },
    floatingPoint: { type: 0x46e6_2b7f, name: 'LINUX' },
  },
  // arch/x86/include/asm/user_64.h; NT_FPREGSET.
  64: {
    words: [
      ...['r15', 'r14', 'r13', 'r12', 'rbp', 'rbx', 'r11', 'r10', 'r9', 'r8', 'rax', 'rcx', 'rdx', 'rsi', 'rdi'],
      ...['orig_rax', 'rip', 'cs', 'rflags', 'rsp', 'ss', 'fs_base', 'gs_base', 'ds', 'es', 'fs', 'gs'],
    ],
    word: u64,
    prstatus: { size: 336, pid: 32, regs: 112, fpvalid: 328 },
    floatingPoint: { type: 2, name: 'CORE' },
  },
};
const NT_PRSTATUS = 1;

/** What FXSAVE and XSAVE write first. */
const FXSAVE_BYTES = 512;

/** Elf32_Nhdr and Elf64_Nhdr are the same; the name is padded to words of 4 bytes. */
const NOTE_HEADER = struct('elf_note', 20, {
  namesz: [0, u32],
  descsz: [4, u32],
  type: [8, u32],
  name: [12, raw(8)],
});

function note(type: number, name: string, description: Uint8Array): Uint8Array {
  const header = NOTE_HEADER.alloc(description.length);
  const text = Uint8Array.from([...`${name}\0`].map((c) => c.charCodeAt(0)));
  header.namesz = text.length;
  header.descsz = description.length;
  header.type = type;
  header.name = text;
  bytesOf(header).set(description, NOTE_HEADER.size);
  return bytesOf(header);
}

/** The words of user_regs_struct by name. */
function userRegisters(state: VcpuState): Readonly<Record<string, bigint>> {
  const regs = KvmRegs.over(state.regs!);
  const general = Object.fromEntries(Object.keys(KvmRegs.fields).map((name) => [name, regs[name as 'rip']]));
  const sregs = sregsOf(state);
  if (!sregs) return general;
  const { cs, ss, ds, es, fs, gs } = sregs;
  const selectors = Object.entries({ cs, ss, ds, es, fs, gs }).map(([name, s]) => [name, BigInt(s.selector)]);
  return { ...general, ...Object.fromEntries(selectors), fs_base: fs.base, gs_base: gs.base };
}

function prstatus({ words, word, prstatus: at }: NoteLayout, state: VcpuState, pid: number): Uint8Array {
  const bytes = new Uint8Array(at.size);
  const view = new DataView(bytes.buffer);
  u32.write(view, at.pid, pid);
  const values = userRegisters(state);
  words.forEach((name, i) => {
    word.write(view, at.regs + word.size * i, values[name] ?? 0n);
  });
  u32.write(view, at.fpvalid, floatingPoint(state) ? 1 : 0);
  return bytes;
}

function floatingPoint({ xsave, fpu }: VcpuState): Uint8Array | undefined {
  if (xsave && xsave.length >= FXSAVE_BYTES) return xsave.subarray(0, FXSAVE_BYTES);
  if (!fpu || fpu.length < KvmFpu.size) return undefined;
  const f = KvmFpu.over(fpu);
  const area = new Uint8Array(FXSAVE_BYTES);
  const view = new DataView(area.buffer);
  u16.write(view, 0, f.fcw);
  u16.write(view, 2, f.fsw);
  view.setUint8(4, f.ftwx);
  u32.write(view, 24, f.mxcsr);
  [...f.fpr].forEach((register, i) => {
    area.set(register, 32 + 16 * i);
  });
  [...f.xmm].forEach((register, i) => {
    area.set(register, 160 + 16 * i);
  });
  return area;
}

/** The notes of all vCPUs. Thread ids are the vCPU's number and one, since 0 is no thread. */
export function coreNotes(vcpus: readonly VcpuState[], bits: 32 | 64): Uint8Array {
  const layout = LAYOUTS[bits];
  const { type, name } = layout.floatingPoint;
  const notes = vcpus.flatMap((state, id) => {
    const fp = floatingPoint(state);
    return [note(NT_PRSTATUS, 'CORE', prstatus(layout, state, id + 1)), ...(fp ? [note(type, name, fp)] : [])];
  });
  return new Uint8Array(Buffer.concat(notes));
}
