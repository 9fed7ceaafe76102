/** Single steps of a vCPU in the calling thread (KVM_GUESTDBG_SINGLESTEP), and the registers before each. */
import { Exit } from '../../src/abi/exits.ts';
import { GUEST_DEBUG_FLAGS, SYNC_REGS } from '../../src/abi/flags.ts';
import { RFLAGS } from '../../src/abi/registers.ts';
import { bytesOf, type Live } from '../../src/abi/struct.ts';
import { KvmGuestDebug, KvmRegs, KvmRun, KvmSregs, KvmSyncRegs, RUN_SYNC_REGS_OFFSET } from '../../src/abi/structs.ts';
import { UsageError } from '../../src/errors.ts';
import { codeMode } from '../../src/kvm/mode.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { dr7Of, HARDWARE_STOPS } from '../../src/runner/stops/debug-registers.ts';
import type { DebugAbilities } from '../stops/abilities.ts';
import { NextInstruction } from './next-instruction.ts';
import type { StepRegisters } from './step-registers.ts';

const [VALID_AT] = KvmRun.fields.kvm_valid_regs;
const REGS_AT = RUN_SYNC_REGS_OFFSET + KvmSyncRegs.fields.regs[0];
const SREGS_AT = RUN_SYNC_REGS_OFFSET + KvmSyncRegs.fields.sregs[0];
const NO_DEBUG = KvmGuestDebug.alloc();
const STEP = KvmGuestDebug.alloc();
STEP.control = GUEST_DEBUG_FLAGS.ENABLE | GUEST_DEBUG_FLAGS.SINGLESTEP;

/** See the file's header. */
export class Stepper {
  /** The registers where the vCPU stands; while it steps, where the next step begins. */
  readonly regs: Live<typeof KvmRegs.fields> = KvmRegs.alloc();
  readonly sregs: Live<typeof KvmSregs.fields> = KvmSregs.alloc();
  /** The registers before the last step. Live. */
  readonly before: StepRegisters = { regs: KvmRegs.alloc(), sregs: KvmSregs.alloc() };
  readonly #regs = bytesOf(this.regs);
  readonly #sregs = bytesOf(this.sregs);
  readonly #regsBefore = bytesOf(this.before.regs);
  readonly #sregsBefore = bytesOf(this.before.sregs);
  readonly #local: LocalMachine;
  readonly #abilities: DebugAbilities;
  readonly #next: NextInstruction;
  #isOn = false;
  /** The instruction that was looked at last loads the flags. */
  #loadsFlags = false;
  /** So did that of the last step: KVM does not step any more, until it is told again. */
  #isLost = false;
  /** An exit is completed between two steps; the area has the registers behind it. */
  #isResting = false;
  /** The last step has pushed the frame of an interrupt or exception: its handler may have been a part of it. */
  pushedFrame = false;
  /** Breakpoints of the processor are set. */
  #breaks = false;

  constructor(local: LocalMachine, abilities: DebugAbilities) {
    this.#local = local;
    this.#next = new NextInstruction(local.machine);
    this.#abilities = abilities;
  }

  /** Reads the registers; nothing may be pending. */
  read(): void {
    const { vcpu } = this.#local;
    this.#regs.set(bytesOf(vcpu.getRegs()));
    this.#sregs.set(bytesOf(vcpu.getSregs()));
  }

  /** A step begins. */
  begin(): void {
    this.#isLost = this.#loadsFlags;
    this.#regsBefore.set(this.#regs);
    this.#sregsBefore.set(this.#sregs);
  }

  /** Takes the registers that the last KVM_RUN has left in the area. */
  taken(): void {
    const { vcpu, host } = this.#local;
    if (!host.syncRegs) {
      this.read();
      return;
    }
    const { bytes } = vcpu.area;
    this.#regs.set(bytes.subarray(REGS_AT, REGS_AT + KvmRegs.size));
    this.#sregs.set(bytes.subarray(SREGS_AT, SREGS_AT + KvmSregs.size));
  }

  /** Why the instruction at these registers cannot be stepped on this host; undefined where it can. */
  get problem(): string | undefined {
    const { kernel, user } = this.#abilities;
    const isUser = codeMode(this.sregs, this.regs.rflags).cpl === 3;
    if (!(isUser ? user : kernel).step) return `this host's KVM cannot step code of ring ${isUser ? 3 : 0}`;
    if (this.regs.rflags & RFLAGS.TF) return 'the guest steps itself here, by the flag that KVM steps by';
    const { entersUser, loadsFlags, setsTrapFlag } = this.#next.look(this);
    this.#loadsFlags = loadsFlags;
    if (setsTrapFlag) return 'the guest is about to step itself, by the flag that KVM steps by';
    return user.step || !entersUser ? undefined : "this host's KVM cannot step code of ring 3, which is next";
  }

  /** From now on a run ends after each instruction. Throws UsageError where this host cannot, or for `other`: why not to. */
  on(other?: string): void {
    if (!this.#isOn) {
      if (this.#isResting) this.taken();
      else {
        this.off();
        this.#next.forget();
        this.read();
      }
    }
    const problem = other ?? this.problem;
    if (problem !== undefined) throw new UsageError(`there is no step: ${problem}; give a position without steps`);
    if (!this.#isOn || this.#isLost) this.#set(true); // which loses the guest's own trap flag
  }

  /** Knows the registers where the vCPU stands. */
  see(): void {
    if (this.#isResting) this.taken();
    else if (!this.#isOn) this.read();
  }

  /** The next run is no step but completes an exit, and leaves the registers in the area. Then more steps are likely. */
  rest(): void {
    if (this.#isOn) this.#local.vcpu.setGuestDebug(NO_DEBUG);
    this.#isResting ||= this.#isOn;
    this.#isOn = false;
  }

  off(): void {
    if (this.#isOn || this.#isResting || this.#breaks) this.#set(false);
  }

  /** From now on a run ends before an instruction at one of at most four linear addresses, as if it were a step. Throws UsageError for more. */
  breakAt(addresses: readonly bigint[]): void {
    if (addresses.length > HARDWARE_STOPS) throw new UsageError(`the processor has ${HARDWARE_STOPS} breakpoints`);
    this.off();
    const debug = KvmGuestDebug.alloc();
    debug.control = GUEST_DEBUG_FLAGS.ENABLE | GUEST_DEBUG_FLAGS.USE_HW_BP;
    for (const [i, address] of addresses.entries()) debug.arch.debugreg.set(i, address);
    debug.arch.debugreg.set(7, dr7Of(addresses.map((address) => ({ address, kind: 'execute', length: 1 }))));
    this.#local.vcpu.setGuestDebug(debug);
    this.#breaks = true;
  }

  #set(on: boolean): void {
    const { vcpu, host } = this.#local;
    vcpu.setGuestDebug(on ? STEP : NO_DEBUG);
    if (host.syncRegs) vcpu.area.bytes[VALID_AT] = on ? SYNC_REGS.REGS | SYNC_REGS.SREGS : 0;
    this.#isOn = on;
    this.#isResting = false;
    this.#breaks = false;
  }

  /** Whether a run ended with a step. */
  static isStep({ reason, detail }: RunEnd): boolean {
    return reason === 'unexpected-exit' && detail?.number === Exit.DEBUG;
  }
}
