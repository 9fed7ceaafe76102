/** The notes of an ELF core file: one NT_PRSTATUS and one NT_FPREGSET for each vCPU, which debuggers show as threads. */
import { bytesOf, bytes as raw, struct, u16, u32, u64 } from '../../src/abi/struct.ts';
import { KvmFpu, KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import type { VcpuState } from '../../src/kvm/state/vcpu-state.ts';

const NT_PRSTATUS = 1;
const NT_FPREGSET = 2;

/** struct user_regs_struct (arch/x86/include/asm/user_64.h), in the order of its words. */
const USER_REGS = [
  ...['r15', 'r14', 'r13', 'r12', 'rbp', 'rbx', 'r11', 'r10', 'r9', 'r8', 'rax', 'rcx', 'rdx', 'rsi', 'rdi'],
  ...['orig_rax', 'rip', 'cs', 'rflags', 'rsp', 'ss', 'fs_base', 'gs_base', 'ds', 'es', 'fs', 'gs'],
] as const;

/** struct elf_prstatus of x86-64 (include/linux/elfcore.h): signals and times stay zero. */
const PRSTATUS_BYTES = 336;
const PRSTATUS_PID = 32;
const PRSTATUS_REGS = 112;
const PRSTATUS_FPVALID = 328;

/** struct user_i387_struct: the legacy region that FXSAVE and XSAVE write. */
const FPREGSET_BYTES = 512;

/** Elf64_Nhdr, and the name that the kernel gives these notes. */
const NOTE_HEADER = struct('elf64_note', 20, {
  namesz: [0, u32],
  descsz: [4, u32],
  type: [8, u32],
  name: [12, raw(8)],
});
const CORE = Uint8Array.from([...'CORE\0'].map((c) => c.charCodeAt(0)));

function note(type: number, description: Uint8Array): Uint8Array {
  const header = NOTE_HEADER.alloc(description.length);
  header.namesz = CORE.length;
  header.descsz = description.length;
  header.type = type;
  header.name = CORE;
  bytesOf(header).set(description, NOTE_HEADER.size);
  return bytesOf(header);
}

/** The words of user_regs_struct by name. */
function userRegisters(state: VcpuState): Readonly<Record<string, bigint>> {
  const regs = KvmRegs.over(state.regs!);
  const general = Object.fromEntries(Object.keys(KvmRegs.fields).map((name) => [name, regs[name as 'rip']]));
  const bytes = state.sregs2 ?? state.sregs;
  if (!bytes) return general;
  const { cs, ss, ds, es, fs, gs } = KvmSregs.over(bytes);
  const selectors = Object.entries({ cs, ss, ds, es, fs, gs }).map(([name, s]) => [name, BigInt(s.selector)]);
  return { ...general, ...Object.fromEntries(selectors), fs_base: fs.base, gs_base: gs.base };
}

function prstatus(state: VcpuState, pid: number): Uint8Array {
  const bytes = new Uint8Array(PRSTATUS_BYTES);
  const view = new DataView(bytes.buffer);
  u32.write(view, PRSTATUS_PID, pid);
  const values = userRegisters(state);
  USER_REGS.forEach((name, i) => {
    u64.write(view, PRSTATUS_REGS + 8 * i, values[name] ?? 0n);
  });
  u32.write(view, PRSTATUS_FPVALID, floatingPoint(state) ? 1 : 0);
  return bytes;
}

function floatingPoint({ xsave, fpu }: VcpuState): Uint8Array | undefined {
  if (xsave && xsave.length >= FPREGSET_BYTES) return xsave.subarray(0, FPREGSET_BYTES);
  if (!fpu || fpu.length < KvmFpu.size) return undefined;
  const f = KvmFpu.over(fpu);
  const area = new Uint8Array(FPREGSET_BYTES);
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
export function coreNotes(vcpus: readonly VcpuState[]): Uint8Array {
  const notes = vcpus.flatMap((state, id) => {
    const fp = floatingPoint(state);
    return [note(NT_PRSTATUS, prstatus(state, id + 1)), ...(fp ? [note(NT_FPREGSET, fp)] : [])];
  });
  return new Uint8Array(Buffer.concat(notes));
}
