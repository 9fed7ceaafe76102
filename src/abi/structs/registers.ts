/** Register state of a vCPU: general, segment and control, floating point, debug (arch/x86/include/uapi/asm/kvm.h). */
import { struct } from '../struct.ts';
import { array, bytes, u8, u16, u32, u64 } from '../types.ts';

/** General-purpose registers, RIP and RFLAGS. */
export const KvmRegs = struct('kvm_regs', 144, {
  rax: [0, u64],
  rbx: [8, u64],
  rcx: [16, u64],
  rdx: [24, u64],
  rsi: [32, u64],
  rdi: [40, u64],
  rsp: [48, u64],
  rbp: [56, u64],
  r8: [64, u64],
  r9: [72, u64],
  r10: [80, u64],
  r11: [88, u64],
  r12: [96, u64],
  r13: [104, u64],
  r14: [112, u64],
  r15: [120, u64],
  rip: [128, u64],
  rflags: [136, u64],
});

/** A segment register with its hidden part. `limit` is in bytes whatever `g` says. */
export const KvmSegment = struct('kvm_segment', 24, {
  base: [0, u64],
  limit: [8, u32],
  selector: [12, u16],
  type: [14, u8],
  present: [15, u8],
  dpl: [16, u8],
  db: [17, u8],
  s: [18, u8],
  l: [19, u8],
  g: [20, u8],
  avl: [21, u8],
  unusable: [22, u8],
  padding: [23, u8],
});

/** GDTR or IDTR. */
export const KvmDtable = struct('kvm_dtable', 16, {
  base: [0, u64],
  limit: [8, u16],
  padding: [10, array(u16, 3)],
});

const SEGMENTS_AND_CONTROL = {
  cs: [0, KvmSegment],
  ds: [24, KvmSegment],
  es: [48, KvmSegment],
  fs: [72, KvmSegment],
  gs: [96, KvmSegment],
  ss: [120, KvmSegment],
  tr: [144, KvmSegment],
  ldt: [168, KvmSegment],
  gdt: [192, KvmDtable],
  idt: [208, KvmDtable],
  cr0: [224, u64],
  cr2: [232, u64],
  cr3: [240, u64],
  cr4: [248, u64],
  cr8: [256, u64],
  efer: [264, u64],
  apic_base: [272, u64],
} as const;

/** Segment, descriptor-table and control registers. `interrupt_bitmap` holds at most one pending external vector. */
export const KvmSregs = struct('kvm_sregs', 312, {
  ...SEGMENTS_AND_CONTROL,
  interrupt_bitmap: [280, array(u64, 4)],
});

/** As kvm_sregs, with the PAE page-directory pointers in place of the interrupt bitmap. */
export const KvmSregs2 = struct('kvm_sregs2', 320, {
  ...SEGMENTS_AND_CONTROL,
  flags: [280, u64],
  pdptrs: [288, array(u64, 4)],
});

/** x87 and SSE state. `fpr` and `xmm` hold 16 bytes for each register. */
export const KvmFpu = struct('kvm_fpu', 416, {
  fpr: [0, array(bytes(16), 8)],
  fcw: [128, u16],
  fsw: [130, u16],
  ftwx: [132, u8],
  pad1: [133, u8],
  last_opcode: [134, u16],
  last_ip: [136, u64],
  last_dp: [144, u64],
  xmm: [152, array(bytes(16), 16)],
  mxcsr: [408, u32],
  pad2: [412, u32],
});

/** The XSAVE area in the processor's standard format. With KVM_CAP_XSAVE2 more bytes may follow. */
export const KvmXsave = struct('kvm_xsave', 4096, { region: [0, bytes(4096)] });

/** One extended control register. */
export const KvmXcr = struct('kvm_xcr', 16, { xcr: [0, u32], reserved: [4, u32], value: [8, u64] });

/** Extended control registers; today only XCR0. */
export const KvmXcrs = struct('kvm_xcrs', 392, {
  nr_xcrs: [0, u32],
  flags: [4, u32],
  xcrs: [8, array(KvmXcr, 16)],
  padding: [264, array(u64, 16)],
});

/** Debug registers DR0-DR3, DR6 and DR7. */
export const KvmDebugregs = struct('kvm_debugregs', 128, {
  db: [0, array(u64, 4)],
  dr6: [32, u64],
  dr7: [40, u64],
  flags: [48, u64],
  reserved: [56, array(u64, 9)],
});
