/** What a vCPU's state consists of. */

/** A part of a vCPU's state. */
export type VcpuPart =
  | 'mp_state'
  | 'regs'
  | 'sregs'
  | 'sregs2'
  | 'fpu'
  | 'xsave'
  | 'xcrs'
  | 'debugregs'
  | 'lapic'
  | 'tsc_khz'
  | 'tsc_offset'
  | 'msrs'
  | 'nested_state'
  | 'vcpu_events';

/** Raw bytes of each part that exists on the host it was saved on. */
export type VcpuState = { readonly [Part in VcpuPart]?: Uint8Array };
