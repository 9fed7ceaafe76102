/**
 * A debugger's part in a vCPU's thread: where the vCPU is to stop (KVM_SET_GUEST_DEBUG, and breakpoint bytes that the
 * debugger has put into memory), which exits of KVM_RUN are such a stop, and all registers.
 */
import { Exit } from '../../abi/exits.ts';
import { GUEST_DEBUG_FLAGS } from '../../abi/flags.ts';
import { Msr } from '../../abi/msrs.ts';
import { bytesOf } from '../../abi/struct.ts';
import { KvmGuestDebug, KvmRegs, KvmRunDebug, KvmRunInternal, KvmSregs, RUN_EXIT_OFFSET } from '../../abi/structs.ts';
import { describeExit } from '../../kvm/exit.ts';
import { codeMode, linearRip } from '../../kvm/mode.ts';
import type { VcpuStateCaps } from '../../kvm/state/vcpu-state-caps.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { walkPages } from '../../memory/page-walk.ts';
import type { RunEnd } from '../result.ts';
import { cancelIn } from './cancel-in.ts';
import { dr7Of, type HardwareStop, STATUS_STEP, STATUS_STOPS } from './debug-registers.ts';
import { exitAgain, haltAgain } from './halt-again.ts';

/** What makes a breakpoint byte known: `debug` and `failure` are INT3, which KVM reports as such or fails on; `in` is IN. */
export type ByteStop = 'debug' | 'failure' | 'in';

/** A breakpoint byte in memory. */
export interface BreakByte {
  readonly linear: bigint;
  /** Guest-physical address. */
  readonly physical: number;
  readonly how: ByteStop;
}

/** Where a vCPU is to stop. Plain data. */
export interface WantedStops {
  /** After one instruction. */
  readonly step: boolean;
  /** After one exit, when that has been served. */
  readonly exit?: boolean;
  /** No interrupt is taken in that step. */
  readonly blockIrq: boolean;
  /** A step over HLT does not wait on this host. */
  readonly losesHalt?: boolean;
  readonly bytes: readonly BreakByte[];
  /** At most four. */
  readonly hardware: readonly HardwareStop[];
}

/** What a debugger shows of a vCPU: struct kvm_regs, struct kvm_sregs, the XSAVE area (empty without XSAVE), an MSR. */
export interface VcpuRegisters {
  readonly regs: Uint8Array;
  readonly sregs: Uint8Array;
  readonly xsave: Uint8Array;
  readonly kernelGsBase: bigint;
}

/**
 * `kind` in the detail of an end with reason "debug-stop". With "exit" there is `exit`: it in words. But for that and for a step
 * there is `address`: linear, of what was hit.
 */
export type StopKind = 'step' | 'exit' | 'software' | 'hardware' | 'watch';

/** See the file's header. Use it in the vCPU's thread. */
export class VcpuDebug {
  readonly #vcpu: Vcpu;
  readonly #machine: Pick<Machine, 'readPhysical'>;
  readonly #host: Pick<VcpuStateCaps, 'xsaveBytes' | 'irqchip'>;
  #wanted: WantedStops | undefined;
  /** RIP and RSP before the step. */
  #from = 0n;
  #stack = 0n;
  /** The exit to stop after, in words; empty once it has stopped. */
  #exit: string | undefined;

  constructor(vcpu: Vcpu, machine: Pick<Machine, 'readPhysical'>, host: Pick<VcpuStateCaps, 'xsaveBytes' | 'irqchip'>) {
    this.#vcpu = vcpu;
    this.#machine = machine;
    this.#host = host;
  }

  /** Sets where the vCPU stops; undefined: nowhere, as if there had been no debugger. Throws KvmError. */
  set(wanted: WantedStops | undefined): void {
    this.#tell(wanted);
    this.#wanted = wanted;
    this.#exit = undefined;
    if (wanted?.step) ({ rip: this.#from, rsp: this.#stack } = this.#vcpu.getRegs());
  }

  #tell(wanted: WantedStops | undefined): void {
    const debug = KvmGuestDebug.alloc();
    if (wanted) {
      const { step, blockIrq, bytes, hardware } = wanted;
      const flags = [
        [step, GUEST_DEBUG_FLAGS.SINGLESTEP],
        [step && blockIrq, GUEST_DEBUG_FLAGS.BLOCKIRQ],
        [bytes.some(({ how }) => how === 'debug'), GUEST_DEBUG_FLAGS.USE_SW_BP],
        [hardware.length > 0, GUEST_DEBUG_FLAGS.USE_HW_BP],
      ] as const;
      const control = flags.reduce((all, [on, flag]) => (on ? all | flag : all), 0);
      debug.control = control === 0 ? 0 : control | GUEST_DEBUG_FLAGS.ENABLE;
      for (const [i, { address }] of hardware.entries()) debug.arch.debugreg.set(i, address);
      debug.arch.debugreg.set(7, dr7Of(hardware));
    }
    this.#vcpu.setGuestDebug(debug);
  }

  /** The hook of the exit loop; undefined while no stop is wanted. */
  get hook(): ((reason: number) => RunEnd | undefined) | undefined {
    return this.#wanted && ((reason) => this.#stopOf(reason));
  }

  /**
   * The hook for after each served exit; undefined unless the vCPU is to stop there, or to step. KVM does not count an instruction
   * as a step that it emulated up to the exit (an OUT, a write to MMIO), or that was executed here.
   */
  get afterExit(): (() => RunEnd | undefined) | undefined {
    if (this.#wanted?.exit) return () => this.#afterOneExit();
    if (!this.#wanted?.step) return undefined;
    return () => {
      const { rip } = this.#vcpu.getRegs();
      return rip === this.#from ? undefined : STEPPED;
    };
  }

  /** Once: what belongs to the same instruction, as the second half of a move between devices, comes behind it. */
  #afterOneExit(): RunEnd | undefined {
    const exit = this.#exit;
    if (!exit) return undefined;
    this.#exit = '';
    return { reason: 'debug-stop', detail: { kind: 'exit', exit } };
  }

  #stopOf(reason: number): RunEnd | undefined {
    if (this.#wanted!.exit && reason !== Exit.INTR) this.#exit ??= describeExit(this.#vcpu.area);
    if (reason === Exit.DEBUG) return this.#debugExit();
    if (this.#wanted!.bytes.length === 0) return undefined;
    const { area } = this.#vcpu;
    if (reason === Exit.INTERNAL_ERROR && KvmRunInternal.over(area.bytes, RUN_EXIT_OFFSET).suberror === 1) {
      const address = this.#byteAtRip('failure');
      if (address === undefined) return undefined;
      this.#vcpu.setRegs(this.#vcpu.getRegs()); // drops the #UD that KVM has queued for what it could not emulate
      return stop('software', address);
    }
    if (reason === Exit.IO && area.ioDirection === 0 && area.ioSize === 1 && area.ioCount === 1) {
      const address = this.#byteAtRip('in');
      if (address === undefined) return undefined;
      cancelIn(this.#vcpu);
      return stop('software', address);
    }
    return undefined;
  }

  #debugExit(): RunEnd | undefined {
    const { exception, pc, dr6 } = KvmRunDebug.over(this.#vcpu.area.bytes, RUN_EXIT_OFFSET).arch;
    if (exception === BREAKPOINT_EXCEPTION) return stop('software', pc);
    const hit = this.#wanted!.hardware.find((_, i) => dr6 & STATUS_STOPS[i]!);
    if (hit) return stop(hit.kind === 'execute' ? 'hardware' : 'watch', hit.address);
    if (!(dr6 & STATUS_STEP)) return stop('hardware', pc);
    return this.#wanted!.losesHalt && this.#isBehindHalt() ? this.#halt() : STEPPED;
  }

  #isBehindHalt(): boolean {
    const { rip, rsp, rflags } = this.#vcpu.getRegs();
    if (rip !== this.#from + 1n || rsp !== this.#stack) return false;
    const sregs = this.#vcpu.getSregs();
    const { physical } = this.#walk(sregs, linearRip(sregs, codeMode(sregs, rflags), this.#from));
    const code = new Uint8Array(1);
    return physical !== undefined && this.#machine.readPhysical(physical, code) && code[0] === HLT;
  }

  /** Waits in the HLT that was stepped over. Undefined where its exit, or another, is to be served: the step ends behind it. */
  #halt(): RunEnd | undefined {
    const wanted = this.#wanted!;
    const { irqchip } = this.#host;
    this.#tell({ ...wanted, step: false });
    const exited = irqchip ? haltAgain(this.#vcpu) : exitAgain(this.#vcpu);
    this.#tell(wanted);
    return exited ? this.#stopOf(this.#vcpu.area.exitReason) : STEPPED;
  }

  /** The linear address of RIP, if a breakpoint byte is there: at that address, or in that memory by another address. */
  #byteAtRip(how: ByteStop): bigint | undefined {
    const bytes = this.#wanted!.bytes.filter((byte) => byte.how === how);
    if (bytes.length === 0) return undefined;
    const { rip, rflags } = this.#vcpu.getRegs();
    const sregs = this.#vcpu.getSregs();
    const address = linearRip(sregs, codeMode(sregs, rflags), rip);
    if (bytes.some(({ linear }) => linear === address)) return address;
    const { physical: gpa } = this.#walk(sregs, address);
    return bytes.some(({ physical }) => physical === gpa) ? address : undefined;
  }

  #walk(sregs: ReturnType<Vcpu['getSregs']>, linear: bigint) {
    return walkPages(sregs, linear, (at, width) => this.#entry(at, width));
  }

  #entry(gpa: number, width: 4 | 8): bigint | undefined {
    const entry = new DataView(new ArrayBuffer(8));
    if (!this.#machine.readPhysical(gpa, new Uint8Array(entry.buffer, 0, width))) return undefined;
    return entry.getBigUint64(0, true);
  }

  /** All registers. Nothing may be pending in KVM. Throws KvmError. */
  registers(): VcpuRegisters {
    const vcpu = this.#vcpu;
    const { xsaveBytes } = this.#host;
    return {
      regs: bytesOf(vcpu.getRegs()),
      sregs: bytesOf(vcpu.getSregs()),
      xsave: xsaveBytes > 0 ? vcpu.getXsave(xsaveBytes) : new Uint8Array(),
      kernelGsBase: vcpu.getMsrs([Msr.IA32_KERNEL_GS_BASE])[0]!.value,
    };
  }

  /** Writes the parts that are given, whole. Throws KvmError, and RangeError for bytes of another size. */
  write({ regs, sregs, xsave, kernelGsBase }: Partial<VcpuRegisters>): void {
    const vcpu = this.#vcpu;
    if (sregs) vcpu.setSregs(KvmSregs.over(sized(sregs, KvmSregs.size)));
    if (regs) vcpu.setRegs(KvmRegs.over(sized(regs, KvmRegs.size)));
    if (xsave && this.#host.xsaveBytes > 0) vcpu.setXsave(sized(xsave, this.#host.xsaveBytes));
    if (kernelGsBase !== undefined) vcpu.setMsrs([{ index: Msr.IA32_KERNEL_GS_BASE, value: kernelGsBase }]);
  }
}

function sized(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length !== size) throw new RangeError(`registers of ${bytes.length} bytes: ${size} are needed`);
  return bytes;
}

const HLT = 0xf4;
/** #BP. */
const BREAKPOINT_EXCEPTION = 3;

const stop = (kind: StopKind, address: bigint): RunEnd => ({ reason: 'debug-stop', detail: { kind, address } });
const STEPPED: RunEnd = { reason: 'debug-stop', detail: { kind: 'step' } };
