/**
 * Saving and restoring one vCPU, in its own thread. All buffers are made once, so that a save inside the pause of a
 * checkpoint allocates nothing.
 */
import { MP_STATES } from '../../abi/flags.ts';
import { Msr } from '../../abi/msrs.ts';
import { KvmMpState, KvmMsrs, KvmNestedState } from '../../abi/structs.ts';
import { CheckpointError } from '../../errors.ts';
import { EINVAL } from '../../ffi/fd.ts';
import { ioctl, kvmError, tryIoctl } from '../call.ts';
import { MsrListIo, msrEntry, readMsrList, writeMsrList } from '../msr-list.ts';
import type { Vcpu } from '../vcpu.ts';
import type { Vm } from '../vm.ts';
import { isPlainNested, plainNested } from './nested.ts';
import { kick, kickReader } from './pv-kick.ts';
import { SYNC_PARTS, syncRegsTaker } from './sync-regs.ts';
import { getTscOffset, readTsc, setTsc, setTscOffset } from './tsc.ts';
import { type VcpuStateLayout, vcpuStateLayout, vcpuStateParts } from './vcpu-layout.ts';
import { VCPU_RESTORE_ORDER, VCPU_ROWS, VCPU_SAVE_ORDER, type VcpuPart, type VcpuState } from './vcpu-rows.ts';
import { FIRST_MSRS, type VcpuStateCaps } from './vcpu-state-caps.ts';

export { type VcpuStateLayout, vcpuStateLayout, vcpuStateParts } from './vcpu-layout.ts';
export type { VcpuState } from './vcpu-rows.ts';

/** Saves and restores one vCPU through a record of its own. Call it only in the vCPU's thread. */
export class VcpuStateIo {
  /** The record the last save filled and the next restore reads. */
  readonly record: Uint8Array;
  readonly layout: VcpuStateLayout;
  readonly #vcpu: Vcpu;
  readonly #vm: Vm;
  readonly #host: VcpuStateCaps;
  /** Live views of the record. */
  readonly parts: VcpuState;
  readonly #msrs: MsrListIo;
  #tscKhz: number | undefined;
  readonly #reads: readonly (() => void)[];
  readonly #readLapic: (() => void) | undefined;
  /** What makes the vCPU leave a nested guest. */
  readonly #plainNested: Uint8Array | undefined;
  /** Reads those of {@link SYNC_PARTS} that the record has, where #takeSyncRegs does not. */
  readonly #readRegisters: readonly (() => void)[];
  readonly #takeSyncRegs: (() => boolean) | undefined;

  constructor(vcpu: Vcpu, vm: Vm, host: VcpuStateCaps) {
    this.#vcpu = vcpu;
    this.#vm = vm;
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
    const { lapic, nested_state: nested } = this.parts;
    if (lapic) this.#readLapic = this.#reader('lapic', lapic);
    if (nested) {
      this.#reader('nested_state', nested)();
      this.#plainNested = plainNested(nested);
    }
    this.#readRegisters = readers(true);
    if (host.syncRegs) this.#takeSyncRegs = syncRegsTaker(vcpu, this.parts);
  }

  /**
   * Fills the record. No exit may be pending. `halted`: the vCPU rests in HLT, which without irqchip only user space
   * knows; it is saved as KVM would say it. Throws KvmError naming the ioctl, or the MSR that cannot be read.
   */
  save(halted = false): void {
    for (const read of this.#reads) read();
    if (this.#mayHaveFired()) this.#readLapic!();
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
    if (part === 'tsc_offset') return () => quad(bytes).setBigUint64(0, getTscOffset(this.#vcpu), true);
    if (part === 'pv_kick') {
      const [kicked, state, isKicked] = [word(bytes), word(this.parts.mp_state!), kickReader(this.#vcpu, this.#vm)];
      return () => {
        kicked[0] = state[0] === RUNNABLE && isKicked() ? 1 : 0;
      };
    }
    if (part === 'nested_state') {
      return () => {
        KvmNestedState.over(bytes).size = bytes.length;
        ioctl(fd, get, bytes);
      };
    }
    return () => {
      ioctl(fd, get, bytes);
    };
  }

  /**
   * The timer of the local APIC waits for no TSC value although it is told to work that way: it may have fired between
   * the two reads, and then its interrupt is in neither. Reading the local APIC once more finds it.
   */
  #mayHaveFired(): boolean {
    const { lapic, msrs } = this.parts;
    if (!lapic || !isDeadlineTimer(lapic)) return false;
    const { index, data } = msrEntry(msrs!, this.#host.msrs.length - 1);
    return index === Msr.IA32_TSC_DEADLINE && data === 0n;
  }

  /**
   * Puts the record into the vCPU. Says whether it rests in HLT without KVM's knowing (see {@link save}). Throws KvmError
   * naming the ioctl, or the MSR that was refused. `except`: parts that get there in another way.
   */
  restore(except: ReadonlySet<VcpuPart> = NONE): boolean {
    const mpState = KvmMpState.over(this.parts.mp_state!);
    const halted = !this.#host.irqchip && mpState.mp_state === HALTED;
    if (halted) mpState.mp_state = RUNNABLE;
    // what is written next would be a nested guest's, and forgotten with it
    if (this.#plainNested) ioctl(this.#vcpu.fd, 'KVM_SET_NESTED_STATE', this.#plainNested);
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
    if (part === 'msrs') this.#writeMsrs(bytes);
    else if (part === 'tsc_khz') this.#writeTscKhz(word(bytes)[0]!);
    else if (part === 'tsc_offset') this.#writeTscOffset(quad(bytes));
    else if (part === 'nested_state' && isPlainNested(bytes)) return;
    else if (part === 'pv_kick') {
      if (word(bytes)[0] !== 0) kick(this.#vcpu, this.#vm);
    } else ioctl(this.#vcpu.fd, set, bytes);
  }

  /** vCPU 0 goes on from the IA32_TSC that was saved; the others get the offset that goes with it. See followTscOffset. */
  #writeTscOffset(word: DataView): void {
    const { index, data } = msrEntry(this.parts.msrs!, 0);
    if (this.#vcpu.id !== 0) setTscOffset(this.#vcpu, word.getBigUint64(0, true));
    else if (index === Msr.IA32_TSC) word.setBigUint64(0, setTsc(this.#vcpu, data), true);
  }

  /**
   * A TSC that has been set exactly is not written again: KVM would take that for a try to make vCPUs agree. Where it
   * cannot be, a deadline that waits is moved with it: the guest's timer fires as much later as it would have.
   */
  #writeMsrs(bytes: Uint8Array): void {
    const { fd } = this.#vcpu;
    const count = KvmMsrs.over(bytes).nmsrs;
    if (this.#host.tsc === 'offset') {
      writeMsrList(fd, bytes, msrEntry(bytes, 0).index === Msr.IA32_TSC ? 1 : 0, count);
      return;
    }
    const [tsc, deadline] = [msrEntry(bytes, 0), msrEntry(bytes, count - 1)];
    const waits = deadline.index === Msr.IA32_TSC_DEADLINE && deadline.data !== 0n && tsc.index === Msr.IA32_TSC;
    writeMsrList(fd, bytes, 0, waits ? count - 1 : count);
    if (!waits) return;
    const value = movedDeadline(deadline.data, readTsc(this.#vcpu) - tsc.data);
    this.#vcpu.setMsrs([{ index: Msr.IA32_TSC_DEADLINE, value }]);
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

  /** Tells a guest with kvmclock that it was stopped, so that its watchdog reports no lockup. */
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

const { RUNNABLE, HALTED } = MP_STATES;

const KVMCLOCK_MSRS: readonly number[] = [Msr.MSR_KVM_SYSTEM_TIME, Msr.MSR_KVM_SYSTEM_TIME_NEW];

const word = (bytes: Uint8Array) => new Uint32Array(bytes.buffer, bytes.byteOffset, 1);

const quad = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, 8);

/** LVT timer, bits 17 and 18: TSC-deadline mode (SDM volume 3, figure 12-8). Masked, it interrupts nobody. */
const LVT_TIMER = 0x320;
const isDeadlineTimer = (lapic: Uint8Array) => (lapic[LVT_TIMER + 2]! & 0b111) === 0b100;

/** 0 would disarm the timer. */
const movedDeadline = (deadline: bigint, by: bigint) => {
  const moved = deadline + by;
  return moved > 0n ? moved : 1n;
};

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
