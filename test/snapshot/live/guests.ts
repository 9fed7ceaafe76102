/** Running writers, live sessions over them, and what must hold of every checkpoint's memory. */
import type { CounterName, ParameterName } from '../../../guests/contract.ts';
import { guestNamed } from '../../../guests/list.ts';
import { guestSymbols, readGuest } from '../../../guests/symbols.ts';
import { load } from '../../../loaders/index.ts';
import { bootImage } from '../../../loaders/place.ts';
import type { SessionOptions } from '../../../snapshot/checkpoint-options.ts';
import { LiveSession } from '../../../snapshot/live/live-session.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { eventually } from '../../runner/machines.ts';
import { temporaryDirectory } from '../store/support.ts';

/** Where the writers' pages start. */
export const AREA = 0x40_0000;

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A running guest with a live session on a store of its own. Dispose it with `await using`. */
export class Live implements AsyncDisposable {
  readonly machine: Machine;
  readonly running: RunningMachine;
  readonly session: LiveSession;
  readonly store: Store;
  readonly run: Promise<RunResult>;
  /** Guest-physical address of a counter. */
  readonly address: (name: CounterName) => number;
  readonly #directory: ReturnType<typeof temporaryDirectory> | undefined;

  private constructor(
    fields: Pick<Live, 'machine' | 'running' | 'session' | 'store' | 'run' | 'address'>,
    directory?: ReturnType<typeof temporaryDirectory>,
  ) {
    ({
      machine: this.machine,
      running: this.running,
      session: this.session,
      store: this.store,
      run: this.run,
      address: this.address,
    } = fields);
    this.#directory = directory;
  }

  /** Starts the guest and waits until it has said its first line. `where`: the store's directory, the caller's. */
  static async start(
    name: string,
    parameters: Partial<Record<ParameterName, number>> = {},
    { where, ...options }: SessionOptions & { where?: string } = {},
  ): Promise<Live> {
    const { memoryMib, cpus, irqchip } = guestNamed(name).options;
    const bytes = readGuest(name, parameters);
    const machine = Machine.create({ memory: memoryMib * 2 ** 20, cpus, irqchip: irqchip !== 'no' });
    bootImage(machine, load(bytes, { memoryMap: machine.memory.memoryMap }));
    const symbols = guestSymbols(bytes);
    let said = '';
    const running = await RunningMachine.start(machine, {
      serial: (text) => {
        said += Buffer.from(text).toString('latin1');
      },
    });
    const directory = where === undefined ? temporaryDirectory() : undefined;
    const store = openStore(where ?? directory!.path, { create: true });
    const session = await LiveSession.start(running, store, options);
    const run = running.run();
    run.catch(() => {});
    await eventually(`${name} speaks`, () => said.includes('\n'));
    const address = (word: CounterName) => symbols.get(word)!.address;
    return new Live({ machine, running, session, store, run, address }, directory);
  }

  /** Resolves when one of the writers has written after this call. */
  async writes(): Promise<void> {
    const rounds = () => this.machine.memory.readUint(this.address('writer_rounds'), 8);
    const before = rounds();
    await eventually('the guest writes', () => rounds() > before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.running.stop();
    await this.run.catch(() => {});
    await this.session.close();
    await this.running.close();
    this.store[Symbol.dispose]();
    this.machine[Symbol.dispose]();
    this.#directory?.[Symbol.dispose]();
  }
}
