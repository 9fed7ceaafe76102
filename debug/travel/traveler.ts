/**
 * A debugger of a recorded run, which goes through it in both directions. Breakpoints and watchpoints are looked for after each
 * step, so they work wherever the host steps, and no byte of the guest is changed for them.
 */
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import { UsageError, VmlapseError } from '../../src/errors.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { RunCounts } from '../../src/runner/result.ts';
import type { HardwareStop } from '../../src/runner/stops/debug-registers.ts';
import { VcpuDebug } from '../../src/runner/stops/vcpu-debug.ts';
import { pagesOf } from '../blame/writes.ts';
import type { History } from '../history.ts';
import { comparePositions, type Position, parsePosition, positionText } from '../recording/position.ts';
import { STEPS_AT_ONCE, seeking, steppingBack } from '../replay/seek.ts';
import { type DebugAbilities, debugAbilities } from '../stops/abilities.ts';
import type { AttachedDebugger, Past, Stop, StoppedVcpu, VcpuAction } from '../stops/attached.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import { stretchesBack } from './stretches.ts';

/** Data whose changes stop the run: where it was when that was asked for. */
interface Watch {
  readonly address: bigint;
  readonly gpa: number;
  readonly length: number;
}

/** A place where going back would stop. */
interface Hit {
  readonly at: Position;
  readonly stop: Stop;
}

const BEGINNING: Position = { exits: 0, steps: 0 };
const INTERRUPTED: Stop = { vcpu: 0, kind: 'interrupt' };

/** See the file's header. It stands where the history stands. `left` is called when the debugger leaves. */
export class Traveler implements AttachedDebugger {
  readonly cpus = 1;
  readonly abilities: DebugAbilities;
  readonly past: Past;
  readonly #history: History;
  readonly #left: () => void;
  readonly #breakpoints = new Set<bigint>();
  readonly #watches: Watch[] = [];
  #stopped: StoppedVcpu | undefined;
  #isInterrupted = false;

  constructor(history: History, left: () => void = () => {}) {
    this.#history = history;
    this.#left = left;
    this.abilities = debugAbilities(history.machine.kvm);
    const position = () => positionText(history.position);
    this.past = {
      get position() {
        return position();
      },
      back: (action) => this.#move(() => (action === 'step' ? this.#stepBack() : this.#runBack())),
      goTo: (text) => this.#goTo(text),
    };
  }

  get machine(): Machine {
    return this.#history.machine;
  }

  async vcpu(): Promise<StoppedVcpu> {
    this.#stopped ??= this.#look();
    return this.#stopped;
  }

  #look(): StoppedVcpu {
    const { local } = this.#history.replayer;
    const registers = new VcpuDebug(local.vcpu, this.machine, local.host).registers();
    const sregs = KvmSregs.over(registers.sregs);
    const { rip, rflags } = KvmRegs.over(registers.regs);
    const mode = codeMode(sregs, rflags);
    return { registers, mode, pc: linearRip(sregs, mode, rip), memory: new PastMemory(this.machine, sregs) };
  }

  async setRegisters(): Promise<void> {
    throw new UsageError(UNCHANGEABLE);
  }

  async setBreakpoint(address: bigint): Promise<void> {
    this.#breakpoints.add(address);
  }

  clearBreakpoint(address: bigint): boolean {
    return this.#breakpoints.delete(address);
  }

  /** Throws UsageError for reads, and for what is not mapped. */
  setHardware({ address, kind, length }: HardwareStop): boolean {
    if (kind === 'access') throw new UsageError('a recording does not tell reads: watch for writes (watch)');
    if (kind === 'execute') {
      const isNew = !this.#breakpoints.has(address);
      this.#breakpoints.add(address);
      return isNew;
    }
    if (this.#watches.some((watch) => watch.address === address && watch.length === length)) return false;
    const gpa = this.#look().memory.translate(address);
    if (gpa === undefined || !this.machine.memory.find(gpa, length))
      throw new UsageError(`there is no memory at 0x${address.toString(16)} now: go to where it is mapped first`);
    this.#watches.push({ address, gpa, length });
    return true;
  }

  clearHardware({ address, kind, length }: HardwareStop): boolean {
    if (kind === 'execute') return this.#breakpoints.delete(address);
    const index = this.#watches.findIndex((watch) => watch.address === address && watch.length === length);
    if (index >= 0) this.#watches.splice(index, 1);
    return index >= 0;
  }

  async resume([action = 'run']: readonly VcpuAction[] = []): Promise<Stop> {
    if (action === 'stay') return INTERRUPTED;
    return await this.#move(() => (action === 'step' ? this.#step() : this.#run()));
  }

  /** Rejects with UsageError where the run cannot be gone through: then it stands where it stood. */
  async #move(how: () => Stop | Promise<Stop>): Promise<Stop> {
    const here = this.#history.position;
    this.#isInterrupted = false;
    this.#stopped = undefined;
    try {
      return await how();
    } catch (error) {
      if (!(error instanceof VmlapseError)) throw error;
      this.#history.seek(here);
      throw new UsageError(error.message);
    }
  }

  /** One step; `last` at the end of the recording. */
  #step(): Stop {
    const values = this.#values();
    if (!this.#history.step()) return { vcpu: 0, kind: 'last' };
    return this.#change(values) ?? { vcpu: 0, kind: 'step' };
  }

  async #run(): Promise<Stop> {
    for (let steps = 1; ; steps++) {
      const stop = this.#step();
      if (stop.kind !== 'step') return stop;
      const breakpoint = this.#breakpoint();
      if (breakpoint) return breakpoint;
      if (steps % STEPS_AT_ONCE === 0 && (await this.#wasInterrupted())) return INTERRUPTED;
    }
  }

  async #stepBack(): Promise<Stop> {
    for (const way = steppingBack(this.#history.replayer); ; ) {
      const { done, value } = way.next();
      if (done) return { vcpu: 0, kind: value ? 'step' : 'first' };
      if (await this.#wasInterrupted()) return INTERRUPTED;
    }
  }

  /** Each interval between checkpoints is run again, the latest first: the last place in it where the run would stop counts. */
  async #runBack(): Promise<Stop> {
    const { recording, replayer } = this.#history;
    let before = this.#history.position;
    const wanted = { breakpoints: this.#breakpoints, pages: pagesOf(this.#watches) };
    const looks = this.#breakpoints.size + this.#watches.length > 0;
    for (let point = recording.pointBefore(before.exits); looks && point >= 0; point--) {
      for (const stretch of stretchesBack(replayer, this.abilities, wanted, point, before)) {
        if (await this.#wasInterrupted()) return INTERRUPTED;
        const hit = stretch && (await this.#lastHit(stretch.from, stretch.to));
        if (hit === 'interrupted') return INTERRUPTED;
        if (hit) return (await this.#seek(hit.at)) ? hit.stop : INTERRUPTED;
      }
      before = { exits: recording.points[point]!.exits, steps: 0 };
      if (!(await this.#wasInterrupted())) continue;
      this.#history.seek(before);
      return INTERRUPTED;
    }
    this.#history.seek(BEGINNING);
    return { vcpu: 0, kind: 'first' };
  }

  async #lastHit(start: Position, before: Position): Promise<Hit | 'interrupted' | undefined> {
    const history = this.#history;
    let last: Hit | undefined;
    if (!(await this.#seek(start))) return 'interrupted';
    let at = history.position;
    for (let steps = 1; comparePositions(at, before) < 0; steps++) {
      const breakpoint = this.#breakpoint();
      if (breakpoint) last = { at, stop: breakpoint };
      const values = this.#values();
      if (!history.step() || comparePositions(history.position, before) > 0) break;
      const change = this.#change(values);
      if (change) last = { at, stop: change }; // going back, one stands before the instruction that wrote
      at = history.position;
      if (steps % STEPS_AT_ONCE === 0 && (await this.#wasInterrupted())) return 'interrupted';
    }
    return last;
  }

  /** Whether it came there: false, if it was interrupted on the way. */
  async #seek(position: Position): Promise<boolean> {
    for (const _ of seeking(this.#history.replayer, position)) if (await this.#wasInterrupted()) return false;
    return true;
  }

  /** After a turn of the event loop, in which Ctrl-C is heard. */
  async #wasInterrupted(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.#isInterrupted;
  }

  /** The breakpoint at the next instruction. */
  #breakpoint(): Stop | undefined {
    if (this.#breakpoints.size === 0) return undefined;
    const { regs, sregs } = this.#history.replayer.registers;
    const address = linearRip(sregs, codeMode(sregs, regs.rflags), regs.rip);
    return this.#breakpoints.has(address) ? { vcpu: 0, kind: 'software', address } : undefined;
  }

  /** The content of what is watched. */
  #values(): Uint8Array[] {
    return this.#watches.map(({ gpa, length }) => this.machine.memory.read(gpa, length).slice());
  }

  /** What of it has changed. */
  #change(before: readonly Uint8Array[]): Stop | undefined {
    const changed = this.#watches.find(
      ({ gpa, length }, i) => Buffer.compare(this.machine.memory.read(gpa, length), before[i]!) !== 0,
    );
    return changed && { vcpu: 0, kind: 'watch', address: changed.address };
  }

  #goTo(text: string): string {
    const position = text === 'begin' ? BEGINNING : text === 'end' ? this.#history.end : parsePosition(text);
    if (!position)
      throw new UsageError(`${JSON.stringify(text)} is no position: give EXITS, EXITS+STEPS, begin or end`);
    const here = this.#history.position;
    this.#stopped = undefined;
    try {
      return positionText(this.#history.seek(position));
    } catch (error) {
      this.#history.seek(here);
      throw error;
    }
  }

  interrupt(): void {
    this.#isInterrupted = true;
  }

  async counts(): Promise<RunCounts> {
    return this.#history.replayer.local.counts();
  }

  over(): void {}

  async detach(): Promise<void> {
    this.interrupt();
    this.#left();
  }
}

const UNCHANGEABLE = 'this is a recorded run: nothing of it can be changed, or it would be another';

/** Memory of a recorded run. */
class PastMemory extends LinearMemory {
  override write(): void {
    throw new UsageError(UNCHANGEABLE);
  }
}
