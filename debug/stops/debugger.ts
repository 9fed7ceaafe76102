/**
 * A debugger of a running machine. All vCPUs stop together, and while they do, memory is the guest's own: breakpoint bytes
 * are put in when it goes on and taken out when it stops. Attached and idle it costs the guest nothing.
 */
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import { checkArguments, RUNNER } from '../../src/arguments.ts';
import { UsageError } from '../../src/errors.ts';
import { type CodeMode, codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { checkOptions, OBJECT, type OptionKinds, TEXT } from '../../src/options.ts';
import { type RunCounts, type RunEnd, sumCounts } from '../../src/runner/result.ts';
import type { HardwareStop } from '../../src/runner/stops/debug-registers.ts';
import type { BreakByte, StopKind, VcpuRegisters, WantedStops } from '../../src/runner/stops/vcpu-debug.ts';
import type { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { NextInstruction } from '../replay/next-instruction.ts';
import { stepQuirks } from '../replay/quirks.ts';
import type { StepRegisters } from '../replay/step-registers.ts';
import { clearTrapFlag } from '../replay/trap-flag.ts';
import { abilitiesFor, type DebugAbilities, debugAbilities } from './abilities.ts';
import type { AttachedDebugger, Stop, StoppedVcpu, VcpuAction } from './attached.ts';
import { BreakBytes } from './break-bytes.ts';
import { HardwareStops } from './hardware-stops.ts';
import { LinearMemory } from './linear-memory.ts';

/** How to attach. */
export interface DebuggerOptions {
  /** Ends that are none of the debugger's business: the run ends with them at once. */
  readonly passes?: ReadonlySet<RunEnd['reason']>;
  /** What the message offers where this host cannot step. Default: a breakpoint. */
  readonly insteadOfStep?: string;
}

/** The kinds of {@link DebuggerOptions}. */
const DEBUGGER_OPTIONS: OptionKinds<DebuggerOptions> = { passes: OBJECT, insteadOfStep: TEXT };

/**
 * A debugger of a RunningMachine. All vCPUs stop together; while they do, registers and memory can be read and written. It
 * needs a run under way to let the machine go on.
 *
 * @example
 * ```ts
 * import { bootImage, Debugger, load, Machine, RunningMachine } from 'vmlapse';
 * import { readGuest } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * bootImage(machine, load(readGuest('hello-long'), { memoryMap: machine.memory.memoryMap }));
 * const running = await RunningMachine.start(machine);
 * const debug = Debugger.attach(running);
 * const ended = running.run();
 * const { kind } = await debug.resume(['step']);
 * console.log(kind, (await debug.vcpu(0)).mode.name); // step long
 * await debug.detach();
 * console.log((await ended).reason); // exit-port
 * await running.close();
 * ```
 */
export class Debugger implements AttachedDebugger {
  readonly running: RunningMachine;
  readonly abilities: DebugAbilities;
  readonly #passes: ReadonlySet<RunEnd['reason']>;
  readonly #insteadOfStep: string;
  /** Linear addresses of breakpoints, and for code of which vCPU they were set. */
  readonly #software = new Map<bigint, number>();
  readonly #hardware: HardwareStops;
  readonly #bytes: BreakBytes;
  readonly #stopped = new Map<number, StoppedVcpu>();
  /**
   * Registers before a step: what it pushes has to be put right. Also where interrupts are blocked in steps, one comes that
   * KVM_INTERRUPT has queued.
   */
  readonly #before = new Map<number, StepRegisters>();
  /** What a vCPU's thread was told last. */
  readonly #told = new Map<number, WantedStops>();
  /** What resume() waits for. */
  #waiting: { resolve(stop: Stop): void; reject(error: unknown): void } | undefined;
  /** Stops of other vCPUs that came while the machine stopped, and would not come again. */
  #later: Stop[] = [];
  /** The guest has ended: lets the run end (false). */
  #atEnd: { readonly stop: Stop; readonly release: (goesOn: boolean) => void; isShown: boolean } | undefined;
  /** Copies of memory are being made: bytes stay out until they are. */
  #cleaners = 0;
  #cleaned: (() => void)[] = [];
  #isAttached = true;
  #over: Stop | undefined;
  /** What resume() does before the machine runs; detach() waits for it. */
  #preparing: Promise<readonly BreakByte[]> | undefined;
  /** interrupt() came since resume() was called last. */
  #isInterrupted = false;

  private constructor(running: RunningMachine, options: DebuggerOptions) {
    this.running = running;
    this.abilities = debugAbilities(running.machine.kvm);
    this.#passes = options.passes ?? new Set();
    this.#insteadOfStep = options.insteadOfStep ?? 'set a breakpoint where it comes back';
    this.#hardware = new HardwareStops(this.abilities);
    this.#bytes = new BreakBytes(running.machine.memory);
  }

  /** Stops the machine and takes it over. Throws UsageError if another debugger has it, KvmError. */
  static attach(running: RunningMachine, options: DebuggerOptions = {}): Debugger {
    checkArguments('Debugger.attach', [running, RUNNER]);
    checkOptions(options, DEBUGGER_OPTIONS);
    if (!('hold' in running)) throw new UsageError('a debugger needs threads for the vCPUs: give a RunningMachine');
    if (running.beforeEnd) throw new UsageError('a debugger is attached to this machine already');
    const self = new Debugger(running, options);
    running.hold();
    running.completePendingIo();
    running.beforeEnd = (vcpu, end) => self.#ended(vcpu, end);
    running.machine.pages.cleaner = () => self.#clean();
    return self;
  }

  /** The machine of {@link running}. */
  get machine(): Machine {
    return this.running.machine;
  }

  /** Exits of all vCPUs, by reason and by port. */
  async counts(): Promise<RunCounts> {
    return sumCounts(await Promise.all(this.running.threads.map((thread) => thread.call('counts', undefined))));
  }

  /** vCPUs of the machine. */
  get cpus(): number {
    return this.running.threads.length;
  }

  /** How the run has ended, if it was from outside ({@link over}). */
  get ended(): Stop | undefined {
    return this.#over;
  }

  /** The machine stands still for this debugger. */
  get isStopped(): boolean {
    return this.#waiting === undefined;
  }

  /** A vCPU's registers and memory, read once in each stop. Rejects with KvmError. */
  async vcpu(id: number): Promise<StoppedVcpu> {
    const known = this.#stopped.get(id);
    if (known) return known;
    this.#mustStand();
    const registers = await this.running.threads[id]!.call('registers', undefined);
    const sregs = KvmSregs.over(registers.sregs);
    const { rip, rflags } = KvmRegs.over(registers.regs);
    const mode = codeMode(sregs, rflags);
    const memory = new LinearMemory(this.running.machine, sregs);
    const stopped = { registers, mode, pc: linearRip(sregs, mode, rip), memory };
    this.#stopped.set(id, stopped);
    return stopped;
  }

  /** Writes the parts of a vCPU's registers that are given. Rejects with KvmError for a state that KVM refuses. */
  async setRegisters(id: number, parts: Partial<VcpuRegisters>): Promise<void> {
    this.#mustStand();
    this.#stopped.delete(id);
    await this.running.threads[id]!.call('setRegisters', parts);
  }

  #mustStand(): void {
    if (!this.#isAttached) throw new UsageError('the debugger is detached');
    if (!this.isStopped) throw new UsageError('the machine runs: interrupt it first');
  }

  /** Sets a breakpoint at a linear address that a vCPU can read. Rejects with UsageError, which says why there can be none. */
  async setBreakpoint(address: bigint, vcpu = 0): Promise<void> {
    const { memory, mode, pc } = await this.vcpu(vcpu);
    const where = `a breakpoint at 0x${address.toString(16)}`;
    const gpa = memory.translate(address);
    if (gpa === undefined) throw new UsageError(`${where}: nothing is mapped there yet: set it later, or use hbreak`);
    if (!this.running.machine.memory.find(gpa)) throw new UsageError(`${where}: there is no RAM: use hbreak`);
    const isUsers = !this.abilities.user.software && memory.isUsers(address) && !memory.isUsers(pc);
    if (isUsers) throw new UsageError(`${where}: this is memory of ring 3, where breakpoints do not stop on this host`);
    if (abilitiesFor(this.abilities, mode).software === undefined)
      throw new UsageError(`${where}: breakpoints in memory do not stop ${codeText(mode)} on this host`);
    this.#software.set(address, vcpu);
  }

  /** Removes it. Returns whether it was there. */
  clearBreakpoint(address: bigint): boolean {
    return this.#software.delete(address);
  }

  /** Sets one of the processor's four; false: it was there. Throws UsageError, which says why there can be none. */
  setHardware(stop: HardwareStop): boolean {
    return this.#hardware.add(stop);
  }

  /** Removes it. Returns whether it was there. */
  clearHardware(stop: HardwareStop): boolean {
    return this.#hardware.remove(stop);
  }

  /**
   * Lets the machine go on; resolves when it has stopped again. A vCPU that stands on a breakpoint stops at once: clear it and
   * step first. Rejects with UsageError for a step that this host cannot do.
   */
  async resume(actions: readonly VcpuAction[] = []): Promise<Stop> {
    this.#mustStand();
    if (this.#atEnd) return this.#letEnd();
    const late = this.#over ?? this.#later.shift();
    if (late) return late;
    const actionOf = (id: number) => actions[id] ?? 'run';
    this.#isInterrupted = false;
    this.#preparing = this.#prepare(actionOf);
    const bytes = await this.#preparing;
    return this.#meanwhile() ?? (await this.#go(actionOf, bytes));
  }

  /** What came while the machine was prepared to go on. */
  #meanwhile(): Stop | undefined {
    if (this.#over) return this.#over;
    return this.#isInterrupted || !this.#isAttached ? INTERRUPT : undefined;
  }

  /** Tells each vCPU's thread what to do. Returns the bytes that are to be put in. */
  async #prepare(actionOf: (id: number) => VcpuAction): Promise<BreakByte[]> {
    const { threads } = this.running;
    this.#before.clear();
    for (const { id } of threads) if (actionOf(id) === 'step') await this.#checkStep(id);
    const bytes = await this.#placesOfBytes();
    for (const { id } of threads) await this.#tell(id, actionOf(id), bytes);
    while (this.#cleaners > 0 && this.#isAttached) await new Promise<void>((resolve) => this.#cleaned.push(resolve));
    return bytes;
  }

  #go(actionOf: (id: number) => VcpuAction, bytes: readonly BreakByte[]): Promise<Stop> {
    this.#stopped.clear();
    const { threads } = this.running;
    this.running.parked = new Set(threads.flatMap(({ id }) => (actionOf(id) === 'stay' ? [id] : [])));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#bytes.insert(bytes);
      this.running.resume();
    });
  }

  async #checkStep(id: number): Promise<void> {
    const { mode, registers } = await this.vcpu(id);
    const at = { regs: KvmRegs.over(registers.regs), sregs: KvmSregs.over(registers.sregs) };
    const isLeft = !this.abilities.user.step && new NextInstruction(this.running.machine).look(at).entersUser;
    if (!abilitiesFor(this.abilities, mode).step || isLeft) {
      const code = isLeft ? 'code in ring 3, which is next' : codeText(mode);
      throw new UsageError(`this host cannot run a single instruction of ${code}: ${this.#insteadOfStep}`);
    }
    this.#before.set(id, at);
  }

  /** The bytes of the breakpoints, by the page tables of every vCPU. */
  async #placesOfBytes(): Promise<BreakByte[]> {
    if (this.#software.size === 0) return [];
    const vcpus = await Promise.all(this.running.threads.map(({ id }) => this.vcpu(id)));
    const bytes: BreakByte[] = [];
    for (const [linear, owner] of this.#software) {
      const how = abilitiesFor(this.abilities, vcpus[owner]!.mode).software;
      if (!how) continue; // its vCPU has gone to code that cannot be stopped so
      for (const physical of new Set(vcpus.map(({ memory }) => memory.translate(linear))))
        if (physical !== undefined && this.running.machine.memory.find(physical)) bytes.push({ linear, physical, how });
    }
    return bytes;
  }

  /** Tells a vCPU's thread where to stop. A thread that has nothing to be told is left alone. */
  async #tell(id: number, action: VcpuAction, bytes: readonly BreakByte[]): Promise<void> {
    const [step, exit] = [action === 'step', action === 'exit'];
    const isTold = step || exit || bytes.length > 0 || this.#hardware.all.length > 0;
    const { blockIrq } = this.abilities;
    const wanted: WantedStops | undefined = isTold
      ? { step, exit, blockIrq, losesHalt: step && stepQuirks().losesHalt, bytes, hardware: this.#hardware.all }
      : undefined;
    if (wanted === undefined && !this.#told.has(id)) return;
    await this.running.threads[id]!.call('stopAt', wanted);
    if (wanted) this.#told.set(id, wanted);
    else this.#told.delete(id);
  }

  /** Stops the machine, if it runs: resume() resolves with kind "interrupt". Never throws: where it fails, resume() rejects. */
  interrupt(): void {
    this.#isInterrupted = true;
    try {
      if (this.#waiting) this.#stop(INTERRUPT);
    } catch {} // resume() has rejected with it
  }

  /** Where it fails, resume() rejects, and no byte is left in memory either. */
  #stop(stop: Stop): void {
    const waiting = this.#waiting;
    try {
      this.running.hold();
      this.running.completePendingIo();
      this.#bytes.remove(); // the code that was stepped is looked at next
      for (const before of this.#before.values()) clearTrapFlag(this.running.machine, before);
      waiting?.resolve(stop);
    } catch (error) {
      waiting?.reject(error);
      throw error;
    } finally {
      this.#waiting = undefined;
      this.#before.clear();
      this.running.parked = new Set();
      this.#bytes.remove();
    }
  }

  /** See RunningMachine.beforeEnd. */
  #ended(vcpu: number, end: RunEnd): boolean | Promise<boolean> {
    if (end.reason === 'stop-point' || this.#passes.has(end.reason)) return false;
    if (end.reason !== 'debug-stop') return this.#guestEnded({ vcpu, kind: 'end', end });
    const { kind, ...where } = end.detail as { kind: StopKind; address?: bigint; exit?: string };
    const stop = { vcpu, kind, ...where };
    const first = this.#waiting !== undefined;
    if (first) this.#stop(stop);
    this.running.threads[vcpu]?.clearEnd();
    if (!first && kind === 'watch') this.#later.push(stop);
    return true;
  }

  #guestEnded(stop: Stop): Promise<boolean> {
    return new Promise((release) => {
      this.#atEnd = { stop, release, isShown: this.#waiting !== undefined };
      if (this.#waiting) this.#stop(stop);
    });
  }

  #letEnd(): Stop {
    const { stop, release, isShown } = this.#atEnd!;
    if (!isShown) {
      this.#atEnd!.isShown = true;
      return stop;
    }
    this.#atEnd = undefined;
    release(false);
    return { ...stop, kind: 'over' };
  }

  /** The run has ended from outside: by its time limit, or because it was stopped. The machine goes on no more. */
  over(end: RunEnd): void {
    this.#bytes.remove();
    this.#over = { vcpu: 0, kind: 'over', end };
    this.#waiting?.resolve(this.#over);
    this.#waiting = undefined;
  }

  /** See PageSpace.cleaner. */
  #clean(): Disposable {
    this.#cleaners++;
    const { areIn } = this.#bytes;
    const resumes = areIn && this.running.running;
    if (resumes) this.running.pause();
    const bytes = areIn ? this.#bytes.remove() : [];
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#cleaners--;
        if (this.#waiting && areIn) this.#bytes.insert(bytes);
        if (resumes && this.#waiting && !this.running.held) this.running.resume(); // `vmlapse pause` may have come meanwhile
        if (this.#cleaners === 0) for (const cleaned of this.#cleaned.splice(0)) cleaned();
      },
    };
  }

  /**
   * Leaves the machine: no byte and no stop of this debugger is left. `resume`: it runs on; otherwise it stays held. Safe to
   * call twice. Rejects where a machine that ran could not be stopped for it; it is left all the same.
   */
  async detach({ resume = true } = {}): Promise<void> {
    if (!this.#isAttached) return;
    this.#isAttached = false; // a resume() that is being prepared sees it
    try {
      if (this.#waiting) this.#stop(INTERRUPT);
    } finally {
      await this.#leave();
      if (this.#atEnd) this.#atEnd.release(false);
      else if (resume) this.running.resume();
    }
  }

  async #leave(): Promise<void> {
    this.#software.clear();
    this.#hardware.clear();
    this.#later = [];
    for (const cleaned of this.#cleaned.splice(0)) cleaned(); // nobody waits for the end of a copy any more
    await this.#preparing?.catch(() => {}); // its caller has the error; what it tells a thread has to come first
    for (const { id } of this.running.threads) await this.#tell(id, 'run', []).catch(() => {});
    this.running.machine.pages.cleaner = undefined;
    this.running.beforeEnd = undefined;
  }
}

const INTERRUPT: Stop = { vcpu: 0, kind: 'interrupt' };

/** Code of a mode, in words. */
const codeText = ({ name, cpl }: CodeMode) => (name === 'real' ? 'code in real mode' : `code in ring ${cpl}`);
