/**
 * Who has changed a piece of memory, and when. The list of pages that were written says in which interval of the recording to
 * look; a replay of that interval with the dirty log says between which exits; and these stretches are stepped, with a
 * comparison after each step. So what counts is a change: a write of the same value is none.
 */
import { Exit } from '../../src/abi/exits.ts';
import { bytesOf, type Live } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { RunArea } from '../../src/kvm/run-area.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { comparePositions, type Position } from '../recording/position.ts';
import type { Replayer } from '../replay/replayer.ts';
import { LinearMemory } from '../stops/linear-memory.ts';

/** A piece of guest-physical memory. */
export interface MemoryRange {
  readonly gpa: number;
  readonly length: number;
}

/** A change of a piece of memory. */
export interface MemoryWrite {
  /**
   * Of the vCPU: where the instruction is about to run. Of a device: the exit that it served. Not exact: the change came
   * between here and the next exit, or that of {@link until}.
   */
  readonly position: Position;
  readonly isExact: boolean;
  /** Exits by which a change in a part that is not verified had come (see NotRun): what came first there is not known. */
  readonly until?: number;
  /** Milliseconds since the recording began. */
  readonly ms: number;
  readonly by: 'vcpu' | 'device' | 'host';
  /** The device that wrote, or "BIOS". */
  readonly device?: string;
  /** Of an exact write of the vCPU: the registers there, the linear address of the instruction, its bytes and kind of code. */
  readonly regs?: Live<typeof KvmRegs.fields>;
  readonly rip?: bigint;
  readonly code?: Uint8Array;
  readonly bits?: 16 | 32 | 64;
  readonly old: Uint8Array;
  readonly new: Uint8Array;
}

const LONGEST_INSTRUCTION = 15;

/** The pages of a range, by number. */
export function pagesOf(ranges: readonly MemoryRange[]): number[] {
  const pages = new Set<number>();
  for (const { gpa, length } of ranges)
    for (let page = Math.floor(gpa / PAGE_SIZE); page * PAGE_SIZE < gpa + length; page++) pages.add(page);
  return [...pages];
}

/**
 * All changes of the ranges before a position, newest first; fewer once `isOver` has returned true, which is asked after each
 * exit and each step. Throws ReplayDivergence.
 */
export function* writesBefore(
  replayer: Replayer,
  ranges: readonly MemoryRange[],
  end: Position,
  isOver: () => boolean = () => false,
): Generator<MemoryWrite> {
  const { recording } = replayer;
  const pages = pagesOf(ranges);
  for (let point = recording.points.length - 1; point > 0; point--) {
    if (recording.points[point - 1]!.exits > end.exits) continue;
    if (!mayHaveWritten(recording.segment(point).written, pages)) continue;
    const found = writesIn(replayer, point, ranges, isOver);
    if (!found) return;
    for (const write of found.reverse()) if (isBefore(write, end)) yield write;
  }
}

/** Whether what stands at a position has it behind it: the exit at which it stands is served. */
export function isBefore({ by, position }: MemoryWrite, end: Position): boolean {
  const order = comparePositions(position, end);
  return by === 'vcpu' ? order < 0 : order <= 0;
}

/** Whether one of the pages is in a list of pages of a segment. */
export function mayHaveWritten(written: readonly number[], pages: readonly number[]): boolean {
  for (let i = 0; i < written.length; i += 2)
    if (pages.some((page) => page >= written[i]! && page < written[i]! + written[i + 1]!)) return true;
  return false;
}

/**
 * The changes between a point and the one before it, oldest first; undefined once `isOver` has returned true, which is asked
 * after each exit and each step. Throws ReplayDivergence.
 */
export function writesIn(
  replayer: Replayer,
  point: number,
  ranges: readonly MemoryRange[],
  isOver: () => boolean = () => false,
): MemoryWrite[] | undefined {
  const stretches = [...dirtyStretches(replayer, point, pagesOf(ranges), isOver)];
  const watch = new Watch(replayer, ranges);
  const [from, to] = [point - 1, point].map((at) => replayer.recording.points[at]!.exits);
  replayer.load(point - 1);
  watch.begin();
  if (isOver()) return undefined;
  if (replayer.notRun.some((part) => part.from === from && part.to === to)) {
    watch.pass(point);
    return watch.found;
  }
  for (const stretch of stretches) {
    if (!stretch.isDirty) replayer.runTo(stretch.to);
    else watch.stretch(stretch, isOver);
    if (isOver()) return undefined;
  }
  return watch.found;
}

/** Consecutive exits, and whether one of the pages was written between them. */
export interface DirtyStretch {
  readonly from: number;
  readonly to: number;
  readonly isDirty: boolean;
}

/**
 * The exits of the interval that leads to a point, and between which of them one of the pages was written; up to where `isOver`
 * says that it is enough. Throws ReplayDivergence.
 */
export function* dirtyStretches(
  replayer: Replayer,
  point: number,
  pages: readonly number[],
  isOver: () => boolean = () => false,
): Generator<DirtyStretch> {
  const { session, recording, machine } = replayer;
  const { tracker } = session;
  const { regions } = machine.pages;
  const isPending = (page: number) => {
    const at = page * PAGE_SIZE;
    const i = regions.findIndex(({ base, size }) => at >= base && at < base + size);
    return i >= 0 && tracker.pending[i]!.has(page - regions[i]!.base / PAGE_SIZE);
  };
  const end = recording.points[point]!.exits;
  replayer.load(point - 1);
  while (replayer.exits < end && !isOver()) {
    const from = replayer.exits;
    tracker.syncDirtyLog(true);
    session.take(); // which still knows of them: a replay that comes to a checkpoint, or loads one, needs all
    let isDirty: boolean;
    try {
      replayer.runTo(from + 1);
      tracker.syncDirtyLog(true);
      // What was not run again has left no trace: of its pages it is only known which were written since the point before.
      const wasRun = replayer.notRun.every(({ to }) => to !== replayer.exits);
      isDirty = wasRun ? pages.some(isPending) : mayHaveWritten(recording.segment(point).written, pages);
    } finally {
      session.failed();
    }
    yield { from, to: replayer.exits, isDirty };
  }
}

/** Compares the memory of some ranges after each step. */
class Watch {
  readonly found: MemoryWrite[] = [];
  readonly #replayer: Replayer;
  /** Live. */
  readonly #views: readonly Uint8Array[];
  readonly #devices: DeviceNames;
  #value = new Uint8Array(0);

  constructor(replayer: Replayer, ranges: readonly MemoryRange[]) {
    this.#replayer = replayer;
    this.#views = ranges.map(({ gpa, length }) => replayer.machine.memory.view(gpa, length));
    this.#devices = new DeviceNames(replayer);
  }

  #read(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(Buffer.concat(this.#views));
  }

  #isSame(): boolean {
    let at = 0;
    for (const view of this.#views) {
      if (Buffer.compare(view, this.#value.subarray(at, at + view.length)) !== 0) return false;
      at += view.length;
    }
    return true;
  }

  begin(): void {
    this.#value = this.#read();
  }

  /** Records a change, if there is one. */
  #changed(write: () => Omit<MemoryWrite, 'old' | 'new' | 'ms'>): void {
    if (this.#isSame()) return;
    const now = this.#read();
    this.found.push({ ...write(), ms: this.#replayer.passedMs, old: this.#value, new: now });
    this.#value = now;
  }

  /** All to the next point at once: nothing between is certain, but both ends are. */
  pass(point: number): void {
    const replayer = this.#replayer;
    const { position } = replayer;
    replayer.load(point);
    this.#changed(() => ({ position, isExact: false, until: replayer.exits, by: 'vcpu' }));
  }

  /** All of a stretch, in steps. Where they pass over an interruption at its end, they may have been those of another run. */
  stretch({ from, to }: DirtyStretch, isOver: () => boolean): void {
    const replayer = this.#replayer;
    const [known, value] = [this.found.length, this.#value];
    while (replayer.exits >= from && replayer.exits < to && !isOver()) {
      this.#step(to);
      if (!replayer.search.passedOver.has(to)) continue;
      this.found.length = known;
      this.#value = value;
      this.#changed(() => ({ position: { exits: from, steps: 0 }, isExact: false, by: 'vcpu' }));
    }
  }

  /** One step, or where this host cannot step, all up to exit `to`. */
  #step(to: number): void {
    const replayer = this.#replayer;
    const { position } = replayer;
    if (replayer.stepProblem !== undefined) {
      replayer.runTo(to);
      this.#changed(() => ({ position, isExact: false, by: 'vcpu' }));
      return;
    }
    if (replayer.isDelivering) {
      const somewhere = () => this.#changed(() => ({ position, isExact: false, by: 'vcpu' }));
      replayer.step(somewhere);
      somewhere();
      return;
    }
    replayer.step(() => {
      const { exits } = replayer;
      const device = this.#devices.at(replayer.local.vcpu.area);
      // The BIOS's handlers are in ROM, and write nothing themselves.
      const isHandlers = replayer.mayHaveHandled && device.by !== 'host';
      this.#changed(() =>
        isHandlers
          ? { position, isExact: false, by: 'vcpu' }
          : { position: { exits, steps: 0 }, isExact: true, ...device },
      );
    });
    this.#changed(() => ({
      ...{ position, by: 'vcpu' },
      ...(replayer.mayHaveHandled ? { isExact: false } : { isExact: true, ...this.#instruction() }),
    }));
  }

  /** The instruction that the last step ran. */
  #instruction() {
    const { machine, before } = this.#replayer;
    const { regs, sregs } = before;
    const mode = codeMode(sregs, regs.rflags);
    const rip = linearRip(sregs, mode, regs.rip);
    const there = KvmRegs.over(bytesOf(regs).slice());
    const code = new LinearMemory(machine, sregs).read(rip, LONGEST_INSTRUCTION);
    return { regs: there, rip, code, bits: mode.bits };
  }
}

/** Which device serves an exit. */
class DeviceNames {
  readonly #devices;

  constructor({ machine }: Replayer) {
    this.#devices = machine.attachBus(() => {}, { shared: false }).devices;
  }

  at(area: RunArea): Pick<MemoryWrite, 'by' | 'device'> {
    const isMmio = area.exitReason === Exit.MMIO;
    const at = isMmio ? area.mmioAddress : area.ioPort;
    const device = this.#devices.find(({ ports, mmio }) =>
      ((isMmio ? mmio : ports) ?? []).some(({ base, length }) => at >= base && at < base + length),
    );
    return device?.name === BIOS ? { by: 'host', device: 'BIOS' } : { by: 'device', device: device?.name ?? 'none' };
  }
}

const BIOS = 'bios-port';
