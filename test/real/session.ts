/** A dialogue with a running guest: what it has said on each channel, waiting for text, and typing. */
import type { MemoryRange } from '../../loaders/image.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { RunResult } from '../../src/runner/result.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { pressKey, typeText } from '../../tools/screen/keys.ts';
import { screenOf } from '../../tools/screen/of-machine.ts';
import { screenLines } from '../../tools/screen/render.ts';
import type { Channel, Step } from './guests.ts';

const POLL_MS = 20;
const ESCAPE_SEQUENCES = /\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-Z]|[=>78])/g;

/** What a channel has said, without escape sequences. Kept up as bytes come, since a slow guest says thousands of single bytes. */
class Heard {
  text = '';
  /** A tail that may be the start of an escape sequence. */
  #partial = '';

  hear(bytes: Uint8Array): void {
    const all = this.#partial + Buffer.from(bytes).toString('latin1');
    const start = all.lastIndexOf('\x1b');
    const open = start >= 0 && all.slice(start).replace(ESCAPE_SEQUENCES, '').startsWith('\x1b');
    this.#partial = open ? all.slice(start) : '';
    this.text += (open ? all.slice(0, start) : all).replace(ESCAPE_SEQUENCES, '');
  }
}

type HeardChannels = Readonly<Record<'serial' | 'debugcon', Heard>>;

/** The VGA text screen, a line for each row, without trailing blanks. */
const vgaText = (machine: Machine): string => screenLines(screenOf(machine)).join('\n');

/** See the file's header. */
export class Session {
  readonly machine: Machine;
  readonly running: RunningMachine;
  readonly #heard: HeardChannels;
  /** Characters of a channel that earlier steps have used up. */
  readonly #used = { serial: 0, debugcon: 0 };
  #result: RunResult | undefined;
  #failure: Error | undefined;

  private constructor(machine: Machine, running: RunningMachine, heard: HeardChannels) {
    this.machine = machine;
    this.running = running;
    this.#heard = heard;
    running.run().then(
      (result) => {
        this.#result = result;
      },
      (error: Error) => {
        this.#failure = error;
      },
    );
  }

  /** Takes over a machine. `load` brings its vCPUs to where they go on; `before`: what was said before, and not yet used. */
  static async over(
    machine: Machine,
    prepare: (machine: Machine) => void,
    load: (running: RunningMachine) => void = () => {},
    before: Readonly<Record<'serial' | 'debugcon', string>> = { serial: '', debugcon: '' },
  ): Promise<Session> {
    try {
      prepare(machine);
      const heard: HeardChannels = { serial: new Heard(), debugcon: new Heard() };
      heard.serial.text = before.serial;
      heard.debugcon.text = before.debugcon;
      const running = await RunningMachine.start(machine, {
        serial: (bytes) => heard.serial.hear(bytes),
        debugcon: (bytes) => heard.debugcon.hear(bytes),
      });
      load(running);
      return new Session(machine, running, heard);
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  get memoryMap(): readonly MemoryRange[] {
    return this.machine.memory.memoryMap;
  }

  /** Everything said on a channel so far, without escape sequences. */
  said(channel: Channel): string {
    if (channel === 'vga') return vgaText(this.machine);
    return this.#heard[channel].text;
  }

  /** What was said and not yet used by a step. */
  get unheard(): Readonly<Record<'serial' | 'debugcon', string>> {
    const rest = (channel: 'serial' | 'debugcon') => this.#heard[channel].text.slice(this.#used[channel]);
    return { serial: rest('serial'), debugcon: rest('debugcon') };
  }

  /** The guest is back at a moment at which this was said and not yet used. */
  rewind(unheard: Readonly<Record<'serial' | 'debugcon', string>>): void {
    for (const channel of ['serial', 'debugcon'] as const) {
      this.#heard[channel].text = unheard[channel];
      this.#used[channel] = 0;
    }
  }

  /** Waits for a step's text and gives its answer. Throws, with what was said instead, when time or the guest is over. */
  async step({ on, see, type, press }: Step, deadline: number): Promise<void> {
    while (!this.#use(on, see)) {
      if (this.#failure) throw this.#failure;
      if (this.#result) throw new Error(`the run ended: ${this.#describe()} before ${see}; ${this.#tail(on)}`);
      if (Date.now() > deadline) throw new Error(`no ${see} in time; ${this.#tail(on)}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    if (type !== undefined) await (on === 'vga' ? this.#press(typeText(type)) : this.#type(type));
    if (press !== undefined) await this.#press(pressKey(press));
  }

  /** The result of a run that ends by itself. */
  async ended(deadline: number): Promise<RunResult> {
    while (!this.#result) {
      if (this.#failure) throw this.#failure;
      if (Date.now() > deadline) throw new Error(`still running; ${this.#tail('serial')}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return this.#result;
  }

  #use(on: Channel, see: string | RegExp): boolean {
    const said = this.said(on);
    const from = on === 'vga' ? 0 : this.#used[on];
    const rest = said.slice(from);
    const found = typeof see === 'string' ? rest.indexOf(see) : rest.search(see);
    if (found < 0) return false;
    const length = typeof see === 'string' ? see.length : (see.exec(rest)?.[0].length ?? 0);
    if (on !== 'vga') this.#used[on] = from + found + length;
    return true;
  }

  async #type(text: string): Promise<void> {
    let rest = Buffer.from(text, 'latin1');
    while (rest.length > 0) {
      rest = rest.subarray(this.running.send(rest));
      if (rest.length > 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #press(codes: Uint8Array): Promise<void> {
    for (let rest = codes; rest.length > 0; ) {
      rest = rest.subarray(this.running.press(rest));
      if (rest.length > 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  #describe(): string {
    const { reason, detail, explanation } = this.#result!;
    return `${reason} ${JSON.stringify(detail ?? {}, (_, v) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v))} ${explanation ?? ''}`;
  }

  #tail(on: Channel): string {
    return `${on} so far ends in ${JSON.stringify(this.said(on).slice(-400))}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.close();
    this.machine[Symbol.dispose]();
  }
}
