/**
 * Loaded into a learner's program before it (`node --import`): tells over {@link CHANNEL_FD} every ioctl, the state around
 * every KVM_RUN, and what was thrown. It looks by ioctls that no tracer sees, and changes nothing of the machine.
 */
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Registers, Run, Special } from '../../exercises/exercise.ts';
import { plain } from '../../src/abi/struct.ts';
import { dieWithParent } from '../../src/ffi/parent.ts';
import { setTracer, untraced } from '../../src/kvm/call.ts';
import { exitName } from '../../src/kvm/exit.ts';
import type { RunArea } from '../../src/kvm/run-area.ts';
import { Vcpu } from '../../src/kvm/vcpu.ts';
import { type MemorySlot, Vm } from '../../src/kvm/vm.ts';
import { CHANNEL_FD, KEY_BYTES, ORDER_VARIABLE, type ProbeOrder, sealed, type Told } from './channel.ts';
import { decoded } from './decoded.ts';
import { readRecording } from './recording/format.ts';
import { standIn } from './recording/stand-in.ts';

/** More than this is only counted: a program that loops must not fill its parent's memory. */
const MOST_TOLD = 4000;
/** What is told in any case. */
const LAST = ['end', 'threw', 'unrecorded'];
/** Pages of a log that are told. */
const MOST_PAGES = 256;
/** Calls in a stack trace. */
const STACK_DEPTH = 50;
/** Ranges of more bytes in all are looked at before the first run and at the end only. */
const EACH_RUN = 256;

const order = process.env[ORDER_VARIABLE];
// Not for programs that this one starts: fork() hands on --import, too, and descriptor 3 is another one there.
delete process.env[ORDER_VARIABLE];
if (isMainThread && order !== undefined) install(JSON.parse(order) as ProbeOrder);

function install({ parent, look, recording }: ProbeOrder): void {
  dieWithParent(parent);
  const key = takeKey();
  let at = 0;
  let place = 0;
  let dropped = 0;
  const tell = (told: Told) => {
    if (at > MOST_TOLD && !LAST.some((key) => key in told)) dropped++;
    else writeSync(CHANNEL_FD, sealed(key, place++, told));
  };
  const memory = watchMemory(look);

  setTracer(({ fd, name, row, arg, result }) => {
    tell({ call: { at: at++, name, fd, arg: decoded(row, arg), result } });
  });
  const small = look.reduce((sum, { length }) => sum + length, 0) <= EACH_RUN;
  let runs = 0;
  watchLogs(tell);
  const cut = watchRuns(
    () => (small || runs++ === 0 ? memory() : []),
    tell,
    () => at,
  );
  if (recording !== undefined)
    standIn(readRecording(recording), (what) => {
      cut();
      Error.stackTraceLimit = STACK_DEPTH; // the program is below many calls of ours
      tell({ unrecorded: { ...what, line: lineIn(process.argv[1] ?? '', new Error().stack ?? '') } });
      process.exit();
    });

  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    const { name = 'Error', message = String(error), stack = '' } = (error ?? {}) as Partial<Error>;
    tell({ threw: { name, message: message.slice(0, 2000), line: lineIn(process.argv[1] ?? '', stack) } });
  });
  process.on('exit', () => tell({ end: { memory: memory(), dropped } }));
}

/** Takes the key out of the channel's file: the program can read that, too. */
function takeKey(): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  readSync(CHANNEL_FD, key, 0, KEY_BYTES, 0);
  ftruncateSync(CHANNEL_FD, 0);
  return key;
}

/** The first line number of that file in a stack trace. */
function lineIn(file: string, stack: string): number | null {
  const [, after] = stack.split(`${file}:`);
  const line = Number.parseInt(after ?? '', 10);
  return Number.isNaN(line) ? null : line;
}

/** Remembers the slots of every VM; the result reads the ranges, as hex digits. */
function watchMemory(look: ProbeOrder['look']): () => (string | null)[] {
  const slots = new Map<number, MemorySlot>();
  const set = Vm.prototype.setUserMemoryRegion;
  Vm.prototype.setUserMemoryRegion = function (slot) {
    set.call(this, slot);
    slots.set(slot.slot, slot);
  };
  const read = (base: number, length: number): string | null => {
    const slot = [...slots.values()].find(({ gpa, size }) => base >= gpa && base + length <= gpa + size);
    if (!slot) return null;
    try {
      const from = base - slot.gpa + (slot.offset ?? 0);
      return Buffer.from(slot.mapping.window(0).subarray(from, from + length)).toString('hex');
    } catch {
      return null; // the program has disposed of it
    }
  };
  return () => look.map(({ base, length }) => read(base, length));
}

/** Tells the pages of each dirty log. */
function watchLogs(tell: (told: Told) => void): void {
  const get = Vm.prototype.getDirtyLog;
  Vm.prototype.getDirtyLog = function (slot, bitmap) {
    get.call(this, slot, bitmap);
    const pages: number[] = [];
    bitmap.window(0).forEach((byte, i) => {
      for (let bit = 0; byte >> bit !== 0 && pages.length < MOST_PAGES; bit++)
        if ((byte >> bit) & 1) pages.push(i * 8 + bit);
    });
    tell({ log: { slot, pages } });
  };
}

/**
 * Tells of each KVM_RUN, and what the guest was given when it goes on after one that asked for data. The result tells of a run
 * that is under way and will not come back.
 */
function watchRuns(memory: () => (string | null)[], tell: (told: Told) => void, now: () => number): () => void {
  let cut = () => {};
  const run = Vcpu.prototype.run;
  const asked = new WeakSet<Vcpu>();
  Vcpu.prototype.run = function () {
    if (asked.delete(this)) tell({ given: given(this.area) });
    const before = untraced(() => ({ registers: registersOf(this), special: specialOf(this), memory: memory() }));
    const fd = this.fd.number;
    cut = () => {
      const { registers, special, memory } = before;
      const both = { before: memory, after: memory };
      tell({
        run: { at: now(), fd, before: registers, special, after: registers, exit: '?', ready: false, memory: both },
      });
    };
    const came = run.call(this);
    cut = () => {};
    const after = untraced(() => registersOf(this));
    const told = {
      ...{ at: now() - 1, fd: this.fd.number, before: before.registers, special: before.special, after },
      ready: this.area.head.ready_for_interrupt_injection !== 0,
      ...(came ? exitOf(this.area) : { exit: 'INTERRUPTED' }),
      memory: { before: before.memory, after: memory() },
    } satisfies Run;
    tell({ run: told });
    if (asksForData(told)) asked.add(this);
    return came;
  };
  return () => cut();
}

const registersOf = (vcpu: Vcpu) => plain(vcpu.getRegs()) as Registers;

function specialOf(vcpu: Vcpu): Special {
  const { cr0, cr3, cr4, efer, cs, ds, ss } = vcpu.getSregs();
  const segment = (live: typeof cs) => {
    const { base, limit, selector, type, present, dpl, db, s, l, g } = live;
    return { base: Number(base), limit, selector, type, present, dpl, db, s, l, g };
  };
  return { cr0, cr3, cr4, efer, cs: segment(cs), ds: segment(ds), ss: segment(ss) };
}

const digits = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 64)).toString('hex');

function exitOf(area: RunArea): Pick<Run, 'exit' | 'io' | 'mmio'> {
  const exit = exitName(area.exitReason);
  if (exit === 'IO')
    return {
      exit,
      io: { out: area.ioDirection === 1, port: area.ioPort, size: area.ioSize, data: digits(area.ioData) },
    };
  if (exit !== 'MMIO') return { exit };
  return { exit, mmio: { write: area.mmioIsWrite, address: area.mmioAddress, data: digits(area.mmioData) } };
}

const asksForData = ({ io, mmio }: Run) => io?.out === false || mmio?.write === false;

const given = (area: RunArea) => digits(exitName(area.exitReason) === 'IO' ? area.ioData : area.mmioData);
