/** A guest in this thread that is let go on exit by exit, and comparisons of its memory with checkpoints. */
import type { CounterName, ParameterName } from '../../guests/contract.ts';
import { guestNamed } from '../../guests/list.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunResult } from '../../src/runner/result.ts';
import { scaled } from '../support/time.ts';
import type { Oracle } from './store/support.ts';

const TIME_LIMIT_MS = scaled(25_000);

/** A machine with one vCPU in this thread. */
export class Driver implements Disposable {
  readonly machine: Machine;
  readonly local: LocalMachine;
  said = '';
  #left = Number.POSITIVE_INFINITY;

  /** Takes the machine over. */
  constructor(machine: Machine) {
    this.machine = machine;
    this.local = new LocalMachine(machine, {
      output: (_, bytes) => {
        this.said += Buffer.from(bytes).toString('latin1');
      },
      served: () => (--this.#left > 0 ? undefined : { reason: 'stop-point' }),
    });
  }

  /** Runs for so many exits, or to the guest's end. */
  go(exits = Number.POSITIVE_INFINITY): RunResult {
    this.#left = exits;
    return this.local.run({ timeoutMs: TIME_LIMIT_MS });
  }

  [Symbol.dispose](): void {
    this.local[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}

/** A guest of the list with parameters, and its counters. */
export function drive(name: string, parameters: Partial<Record<ParameterName, number>> = {}, irqchip = false) {
  const bytes = readGuest(name, parameters);
  const machine = Machine.create({ memory: guestNamed(name).options.memoryMib * 2 ** 20, irqchip });
  bootImage(machine, load(bytes, { memoryMap: machine.memory.memoryMap }));
  const symbols = guestSymbols(bytes);
  const counter = (word: CounterName) => Number(machine.memory.readUint(symbols.get(word)!.address, 8));
  return { driver: new Driver(machine), counter };
}

/** All of RAM that is not zero. */
export function ramOf(memory: GuestMemory): Oracle {
  const zero = new Uint8Array(PAGE_SIZE);
  const pages: Oracle = new Map();
  for (const region of memory.regions) {
    for (const [start, end] of memory.residentRuns(region)) {
      for (let at = start; at < end; at += PAGE_SIZE) {
        const page = memory.read(region.base + at, PAGE_SIZE);
        if (Buffer.compare(page, zero) !== 0) pages.set((region.base + at) / PAGE_SIZE, page);
      }
    }
  }
  return pages;
}

/** A reader of a checkpoint's memory, as the invariants want one; everything is read once. */
export function readerOf(checkpoint: Checkpoint): (gpa: number, length: number) => Uint8Array {
  const pages = new Map<number, Uint8Array>();
  checkpoint.readAll({
    data(gpa, bytes) {
      for (let at = 0; at < bytes.length; at += PAGE_SIZE)
        pages.set((gpa + at) / PAGE_SIZE, bytes.slice(at, at + PAGE_SIZE));
    },
  });
  const zero = new Uint8Array(PAGE_SIZE);
  return (gpa, length) => {
    const start = gpa % PAGE_SIZE;
    return (pages.get((gpa - start) / PAGE_SIZE) ?? zero).subarray(start, start + length);
  };
}
