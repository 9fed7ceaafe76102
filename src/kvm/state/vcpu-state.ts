/**
 * Saving and restoring one vCPU, in its own thread. All buffers are made once, so that a save inside the pause of a
 * checkpoint allocates nothing.
 */
import { Msr } from '../../abi/msrs.ts';
import { KvmMpState, KvmMsrs } from '../../abi/structs.ts';
import { CheckpointError } from '../../errors.ts';
import { EINVAL } from '../../ffi/fd.ts';
import { ioctl, kvmError, tryIoctl } from '../call.ts';
import type { Vcpu } from '../vcpu.ts';
import { FIRST_MSRS, type StateHost } from './host.ts';
import { MsrListIo, msrEntry, readMsrList, writeMsrList } from './msr-list.ts';
import { SYNC_PARTS, syncRegsTaker } from './sync-regs.ts';
import type { VcpuPart, VcpuState } from './vcpu-parts.ts';
import { VCPU_RESTORE_ORDER, VCPU_ROWS, VCPU_SAVE_ORDER } from './vcpu-rows.ts';

export type { VcpuState } from './vcpu-parts.ts';

/** Where each part lies in one flat record: how state crosses threads without messages. */
export interface VcpuStateLayout {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<VcpuPart, readonly [offset: number, size: number]>;
}

/** The layout on a host. Offsets are multiples of 8. */
export function vcpuStateLayout(host: StateHost): VcpuStateLayout {
  const offsets = new Map<VcpuPart, readonly [number, number]>();
  let bytes = 0;
  for (const { part } of VCPU_SAVE_ORDER) {
    const size = VCPU_ROWS[part].size(host);
    if (size === 0) continue;
    offsets.set(part, [bytes, size]);
    bytes += Math.ceil(size / 8) * 8;
  }
  return { bytes, offsets };
}

/** Live views of the parts in a flat record. */
export function vcpuStateParts(layout: VcpuStateLayout, record: Uint8Array): VcpuState {
  return Object.fromEntries([...layout.offsets].map(([part, [at, size]]) => [part, record.subarray(at, at + size)]));
}

/** Saves and restores one vCPU through a record of its own. Call it only in the vCPU's thread. */
export class VcpuStateIo {
  /** The record the last save filled and the next restore reads. */
  readonly record: Uint8Array;
  readonly layout: VcpuStateLayout;
  readonly #vcpu: Vcpu;
  readonly #host: StateHost;
  /** Live views of the record. */
  readonly parts: VcpuState;
  readonly #msrs: MsrListIo;
  #tscKhz: number | undefined;
  readonly #reads: readonly (() => void)[];
  /** Reads those of {@link SYNC_PARTS} that the record has, where #takeSyncRegs does not. */
  readonly #readRegisters: readonly (() => void)[];
  readonly #takeSyncRegs: (() => boolean) | undefined;

  constructor(vcpu: Vcpu, host: StateHost) {
    this.#vcpu = vcpu;
    this.#host = host;
    this.layout = vcpuStateLayout(host);
    this.record = new Uint8Array(this.layout.bytes);
    this.parts = vcpuStateParts(this.layout, this.record);
    this.#msrs = new MsrListIo(host.msrs);
    const readers = (sync: boolean) =>
      VCPU_SAVE_ORDER.filter(({ part }) => this.parts[part] && SYNC_PARTS.has(part) === sync).map(({ part }) =>
        this.#reader(part, this.parts[part]!),
      );
    this.#reads = readers(false);
    this.#readRegisters = readers(true);
    if (host.syncRegs) this.#takeSyncRegs = syncRegsTaker(vcpu, this.parts);
  }

  /**
   * Fills the record. No exit may be pending. `halted`: the vCPU rests in HLT, which without irqchip only user space
   * knows; it is saved as KVM would say it. Throws KvmError naming the ioctl, or the MSR that cannot be read.
   */
  save(halted = false): void {
    for (const read of this.#reads) read();
    if (!this.#takeSyncRegs?.()) for (const read of this.#readRegisters) read();
    if (halted) KvmMpState.over(this.parts.mp_state!).mp_state = HALTED;
  }

  /** What reads a part. Made once: in a pause, code that has not run for long is slow, and so there is little of it. */
  #reader(part: VcpuPart, bytes: Uint8Array): () => void {
    const { fd } = this.#vcpu;
    const get = VCPU_ROWS[part].get(this.#host);
    if (part === 'msrs') return () => this.#msrs.read(fd, bytes);
    if (part === 'tsc_khz') {
      return () => {
        this.#tscKhz ??= this.#vcpu.getTscKhz(); // only KVM_SET_TSC_KHZ changes it
        word(bytes)[0] = this.#tscKhz;
      };
    }
    return () => {
      ioctl(fd, get, bytes);
    };
  }

  /**
   * Puts the record into the vCPU. Says whether it rests in HLT without KVM's knowing (see {@link save}). Throws KvmError
   * naming the ioctl, or the MSR that was refused. `except`: parts that get there in another way.
   */
  restore(except: ReadonlySet<VcpuPart> = NONE): boolean {
    const mpState = KvmMpState.over(this.parts.mp_state!);
    const halted = !this.#host.irqchip && mpState.mp_state === HALTED;
    if (halted) mpState.mp_state = RUNNABLE;
    for (const { part } of VCPU_RESTORE_ORDER) {
      const bytes = this.parts[part];
      if (bytes && !except.has(part)) this.#write(part, bytes);
    }
    this.#tellKvmclock();
    if (!this.#host.irqchip) this.#refreshRunArea();
    return halted;
  }

  /**
   * Without irqchip user space decides by the flags in the run area whether it may inject an interrupt: they must be
   * those of the state just loaded.
   */
  #refreshRunArea(): void {
    const { area } = this.#vcpu;
    area.head.request_interrupt_window = 0;
    area.immediateExit = true;
    this.#vcpu.run();
    area.immediateExit = false;
  }

  #write(part: VcpuPart, bytes: Uint8Array): void {
    const { set } = VCPU_ROWS[part];
    if (part === 'msrs') writeMsrList(this.#vcpu.fd, bytes, 0, KvmMsrs.over(bytes).nmsrs);
    else if (part === 'tsc_khz') this.#writeTscKhz(word(bytes)[0]!);
    else ioctl(this.#vcpu.fd, set, bytes);
  }

  /** Where the host cannot scale the TSC, only its own frequency will do. */
  #writeTscKhz(khz: number): void {
    this.#tscKhz ??= this.#vcpu.getTscKhz();
    if (khz === this.#tscKhz) return;
    const result = tryIoctl(this.#vcpu.fd, 'KVM_SET_TSC_KHZ', khz);
    if (result === -EINVAL) {
      const why = `the guest's TSC runs at ${khz} kHz, this host's at ${this.#tscKhz} kHz and cannot be scaled`;
      throw new CheckpointError('TSC_KHZ', `${why}; restore on a host of the same frequency`);
    }
    if (result < 0) throw kvmError('KVM_SET_TSC_KHZ', -result);
    this.#tscKhz = khz;
  }

  /** A guest with kvmclock is told that it was stopped, so that its watchdogs forgive. */
  #tellKvmclock(): void {
    const { nmsrs } = KvmMsrs.over(this.parts.msrs!);
    for (let i = 0; i < Math.min(nmsrs, FIRST_MSRS.length); i++) {
      const { index, data } = msrEntry(this.parts.msrs!, i);
      if (KVMCLOCK_MSRS.includes(index) && (data & 1n) !== 0n) {
        this.#vcpu.kvmclockCtrl();
        return;
      }
    }
  }
}

const NONE: ReadonlySet<VcpuPart> = new Set();

/** Values of struct kvm_mp_state. */
const RUNNABLE = 0;
const HALTED = 3;

const KVMCLOCK_MSRS: readonly number[] = [Msr.MSR_KVM_SYSTEM_TIME, Msr.MSR_KVM_SYSTEM_TIME_NEW];

const word = (bytes: Uint8Array) => new Uint32Array(bytes.buffer, bytes.byteOffset, 1);

/**
 * Gives several saved vCPUs the IA32_TSC of the first, in place. They were read one after the other; written back as
 * read, their TSCs would drift apart by as much. KVM then sees equal writes and keeps the offsets equal.
 */
export function alignTsc(states: readonly VcpuState[]): void {
  const tsc = (state: VcpuState) =>
    state.msrs && readMsrList(state.msrs).findIndex(({ index }) => index === Msr.IA32_TSC);
  const [first, ...rest] = states;
  const from = first && tsc(first);
  if (from === undefined || from < 0) return;
  const value = msrEntry(first!.msrs!, from).data;
  for (const state of rest) {
    const at = tsc(state);
    if (at !== undefined && at >= 0) msrEntry(state.msrs!, at).data = value;
  }
}
