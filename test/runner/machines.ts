/** Machines for the runner's tests: a built guest or a few bytes of code, started, with what it said and its counters. */
import type { CounterName, ParameterName } from '../../guests/contract.ts';
import { guestNamed } from '../../guests/list.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { HostError } from '../../src/errors.ts';
import type { CpuMode } from '../../src/machine/entry.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/machine-config.ts';
import type { StartOptions } from '../../src/runner/threads/run-options.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { scaled } from '../support/time.ts';

type Answer<T> = T | false | undefined;

/** Calls `check` until it answers something other than false or undefined. Throws when that takes too long. */
export async function eventually<T>(
  what: string,
  check: () => Answer<T> | Promise<Answer<T>>,
  ms = 10_000,
): Promise<T> {
  const deadline = performance.now() + scaled(ms);
  for (;;) {
    const found = await check();
    if (found !== false && found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** As {@link eventually}, without giving the event loop a turn. */
export function soon(what: string, check: () => boolean, ms = 10_000): void {
  const deadline = performance.now() + scaled(ms);
  while (!check()) if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
}

/** A started machine. Dispose it with `await using`. */
export class Started implements AsyncDisposable {
  readonly machine: Machine;
  readonly running: RunningMachine;
  readonly #heard: Buffer[];

  private constructor(machine: Machine, running: RunningMachine, heard: Buffer[]) {
    this.machine = machine;
    this.running = running;
    this.#heard = heard;
  }

  /** Starts the threads of a prepared machine and owns both. */
  static async over(machine: Machine, options: StartOptions = {}): Promise<Started> {
    const heard: Buffer[] = [];
    try {
      const serial = (bytes: Uint8Array) => {
        heard.push(Buffer.from(bytes));
        return options.serial?.(bytes);
      };
      return new Started(machine, await RunningMachine.start(machine, { ...options, serial }), heard);
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** Everything on the serial port so far. */
  get said(): string {
    return Buffer.concat(this.#heard).toString('latin1');
  }

  /** Sends all of `text`, as the guest makes room. */
  async type(text: string): Promise<void> {
    let rest: Uint8Array = Buffer.from(text, 'latin1');
    await eventually('room for all input', () => {
      rest = rest.subarray(this.running.send(rest));
      return rest.length === 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.close();
    this.machine[Symbol.dispose]();
  }
}

/** A started guest of the catalog. */
export interface StartedGuest {
  readonly started: Started;
  /** Reads one of its counters in guest memory; `index`: of those that are arrays. */
  readonly counter: (name: CounterName, index?: number) => number;
}

/** Starts a guest of the catalog, with some of its parameters set. */
export async function startGuest(
  name: string,
  parameters: Partial<Record<ParameterName, number>> = {},
  options: StartOptions = {},
  others: Pick<MachineOptions, 'devices'> = {},
): Promise<StartedGuest> {
  const { memoryMib, cpus, irqchip } = guestNamed(name).options;
  const bytes = readGuest(name, parameters);
  const machine = Machine.create({ memory: memoryMib * 2 ** 20, cpus, irqchip: irqchip !== 'no', ...others });
  try {
    bootImage(machine, load(bytes, { memoryMap: machine.memory.memoryMap }));
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
  const symbols = guestSymbols(bytes);
  const counter = (word: CounterName, index = 0) => {
    const symbol = symbols.get(word);
    if (!symbol) throw new Error(`${name} has no ${word}`);
    return Number(machine.memory.readUint(symbol.address + 8 * index, 8));
  };
  return { started: await Started.over(machine, options), counter };
}

/** Lets the next completePendingIo() of a machine fail, as where a disk does not answer. Returns the error. */
export function failNextStop(running: RunningMachine): HostError {
  const error = new HostError('DISK_STUCK', 'the disk does not answer');
  const { completePendingIo } = running;
  running.completePendingIo = () => {
    running.completePendingIo = completePendingIo;
    throw error;
  };
  return error;
}

/** Where the code of {@link startCode} lies. */
export const CODE = 0x9000;
/** Where an application processor starts that gets a SIPI with vector 8. */
export const AP_CODE = 0x8000;

/** A guest of a few bytes. */
export interface CodeGuest {
  readonly mode: CpuMode;
  /** Machine code as hex; blanks are for the reader. */
  readonly code: string;
  readonly apCode?: string;
  readonly cpus?: number;
  readonly irqchip?: boolean;
}

/** A machine with hand-written code, ready to start. */
export function codeMachine({ mode, code, apCode = '', cpus = 1, irqchip = true }: CodeGuest): Machine {
  const machine = Machine.create({ memory: 2 ** 20, cpus, irqchip });
  const hex = (text: string) => Buffer.from(text.replace(/\s+/g, ''), 'hex');
  machine.memory.write(CODE, hex(code));
  machine.memory.write(AP_CODE, hex(apCode));
  const cs = mode === 'real' ? { cs: { selector: 0, base: 0 } } : {};
  machine.setBoot({ mode, rip: BigInt(CODE), ...cs }, [{ base: AP_CODE, size: 0x2000 }]);
  return machine;
}

/** Starts hand-written code. */
export const startCode = (guest: CodeGuest, options?: StartOptions): Promise<Started> =>
  Started.over(codeMachine(guest), options);
