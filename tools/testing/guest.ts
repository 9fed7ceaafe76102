/** A guest as a test sees it: run it a bit, talk to it, look at its registers and memory. */
import type { SymbolTable } from '../../loaders/symbols.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { Exit } from '../../src/abi/exits.ts';
import { plain } from '../../src/abi/struct.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import { type KeyboardInput, openKeyboard } from '../../src/devices/keyboard-input.ts';
import { openSerialInput, type SerialInput } from '../../src/devices/serial-input.ts';
import { GuestFault, UsageError } from '../../src/errors.ts';
import type { RegisterName } from '../../src/machine/entry.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { checkOptions } from '../../src/options.ts';
import { collectFault } from '../../src/runner/fault/collect.ts';
import { explainFault } from '../../src/runner/fault/explain.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { FAULTS, type RunEnd } from '../../src/runner/result.ts';
import { pressKey, typeText } from '../screen/keys.ts';
import { screenOf } from '../screen/of-machine.ts';
import { sameScreen } from '../screen/packed.ts';
import { screenText } from '../screen/render.ts';
import type { Screen } from '../screen/screen.ts';
import { ConsoleText } from './console-text.ts';
import { NamedMemory, type Place } from './named-memory.ts';
import { describeEnd, tailOf } from './narrate.ts';
import { GUEST_RUN_OPTIONS, type GuestRunOptions, type Until } from './options.ts';
import { type BlamedWrite, RecordedRun } from './recorded-run.ts';

/** Registers by name. */
export type GuestRegister = RegisterName | 'rip' | 'rflags' | 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer';

/** All {@link GuestRegister}s. */
export type GuestRegisters = Readonly<Record<GuestRegister, bigint>>;

/** What a guest has printed, one character a byte. */
export interface Printed {
  readonly serial: string;
  readonly debugcon: string;
}

/** The guest's text screen (VGA). */
export interface GuestScreen extends Screen {
  /** Its lines, without spaces at their ends and without the empty ones below the last text. */
  readonly text: string;
}

const REACHED: RunEnd = { reason: 'stop-point' };

/** Ends by an access to a port. */
const BY_PORT: ReadonlySet<RunEnd['reason']> = new Set(['exit-port', 'reset', 'poweroff']);

const OTHER_RUN = 'the guest is recorded, and it would be a change that its replay does not have; leave `record` out';

/** Whether to stop; `isNew`: there was an exit, and not just a signal. */
type Stop = (isNew: boolean) => boolean;

/**
 * A guest in a test: run it, send to it, look at its registers and memory. It runs in the calling thread.
 *
 * @example
 * ```ts
 * import { guestPath } from 'vmlapse/guests';
 * import { bootGuests } from 'vmlapse/vitest';
 *
 * using guests = bootGuests({ image: guestPath('hello-long') });
 * const guest = guests.take();
 * guest.run();
 * console.log(guest.serial.trim()); // Hello from long mode
 * guests.giveBack(guest);
 * ```
 */
export class Guest {
  /** The machine below, for what is not here. */
  readonly local: LocalMachine;
  /** Symbols of the guest's image. */
  readonly symbols: SymbolTable;
  readonly memory: NamedMemory;
  /** Its recording, if it has one. */
  readonly recorded: RecordedRun | undefined;
  readonly #timeoutMs: number;
  readonly #input: SerialInput;
  readonly #keyboard: KeyboardInput;
  readonly #serial = new ConsoleText();
  readonly #debugcon = new ConsoleText();
  /** What waits for room: bytes for the serial port, codes for the keyboard. */
  #sent: Uint8Array = new Uint8Array();
  #typed: Uint8Array = new Uint8Array();
  #stop: Stop | undefined;
  #end: RunEnd | undefined;
  #exits = 0;

  /**
   * Takes a machine that is ready to run, or to be loaded; the machine stays the caller's to dispose, after `recorded` or `local`.
   * With `store`, all runs are recorded into it. Throws UsageError for a machine that cannot be recorded, CheckpointError, KvmError.
   */
  constructor(machine: Machine, symbols: SymbolTable, timeoutMs: number, store?: Store) {
    this.symbols = symbols;
    this.#timeoutMs = timeoutMs;
    const hooks = {
      output: (channel: string, bytes: Uint8Array) => (channel === 'serial' ? this.#serial : this.#debugcon).add(bytes),
      served: (exits: number) => this.#served(exits),
    };
    this.recorded = store && new RecordedRun(machine, store, symbols, hooks);
    this.local = this.recorded?.local ?? new LocalMachine(machine, hooks);
    this.memory = new NamedMemory(this.local, symbols, this.recorded && OTHER_RUN);
    const host = machine.host(() => {});
    this.#input = openSerialInput(DEVICE_SPECS, machine.deviceState, host);
    this.#keyboard = openKeyboard(DEVICE_SPECS, machine.deviceState, host);
  }

  /**
   * Runs until the guest ends or `timeoutMs` have passed, and says how it ended. With `until`, runs up to there, and says
   * "stop-point", or how the guest ended if it came there with its last exit or behind it; throws GuestFault NOT_REACHED if
   * it does not come there. Can be called again to go on.
   */
  run(options: GuestRunOptions = {}): RunEnd {
    checkOptions(options, GUEST_RUN_OPTIONS);
    const { until, timeoutMs = this.#timeoutMs } = options;
    const stop = until && this.#stopAt(until);
    this.#stop = stop;
    this.#type();
    const end = this.recorded ? this.recorded.run(timeoutMs) : this.local.advance(timeoutMs);
    this.#stop = undefined;
    const isThere = end === REACHED || stop?.(BY_PORT.has(end.reason)); // nobody was asked at the exit that ended it
    this.#end = isThere && end.reason === 'timeout' ? REACHED : end;
    this.local.completePendingIo();
    if (until && !isThere) throw this.#notReached(until, end, timeoutMs);
    return this.#end;
  }

  #served(exits: number): RunEnd | undefined {
    this.#type();
    const isNew = exits !== this.#exits;
    this.#exits = exits;
    return this.#stop?.(isNew) ? REACHED : undefined;
  }

  #stopAt(until: Until): Stop {
    if ('serial' in until) return this.#serial.watchFor(until.serial);
    if ('screen' in until) return this.#watchScreen(until.screen);
    const { area } = this.local.vcpu;
    return (isNew) => isNew && area.exitReason === Exit.IO && area.ioPort === until.port;
  }

  #watchScreen(wanted: string | RegExp): Stop {
    let last: Screen | undefined;
    let found = false;
    return () => {
      const screen = screenOf(this.local.machine);
      if (!sameScreen(last, screen)) found = isIn(screenText(screen), wanted);
      last = screen;
      return found;
    };
  }

  #notReached(until: Until, end: RunEnd, timeoutMs: number): GuestFault {
    const wanted = wantedText(until);
    const how = end.reason === 'timeout' ? `within ${timeoutMs} ms` : `before it ended (${describeEnd(end)})`;
    const why = this.explanation;
    return new GuestFault(
      'NOT_REACHED',
      `the guest did not come to ${wanted} ${how}\n${why === undefined ? '' : `${why}\n`}${this.#seen(until)}`,
    );
  }

  #seen(until: Until): string {
    return 'screen' in until ? tailOf(this.screen.text, 'its screen') : tailOf(this.serial);
  }

  /** Sends to the guest's serial port. What does not fit yet follows while it runs. */
  send(text: string | Uint8Array): void {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
    if (this.recorded) {
      this.recorded.send(bytes);
      return;
    }
    this.#sent = Buffer.concat([this.#sent, bytes]);
    this.#type();
  }

  /**
   * Types on the guest's keyboard (PS/2, US). What does not fit yet follows while it runs. Throws UsageError for a
   * character that no key gives.
   */
  type(text: string): void {
    this.#strike(typeText(text));
  }

  /** Presses and releases a key: "f2", "left", "ctrl-alt-delete". Throws UsageError. */
  press(key: string): void {
    this.#strike(pressKey(key));
  }

  #strike(codes: Uint8Array): void {
    if (this.recorded) throw new UsageError(`keys cannot be typed: ${OTHER_RUN}`);
    this.#typed = Buffer.concat([this.#typed, codes]);
    this.#type();
  }

  #type(): void {
    if (this.#sent.length > 0) this.#sent = this.#sent.subarray(this.#input.receive(this.#sent));
    if (this.#typed.length > 0) this.#typed = this.#typed.subarray(this.#keyboard.press(this.#typed));
  }

  /** Its text screen (VGA) as it is now. */
  get screen(): GuestScreen {
    const screen = screenOf(this.local.machine);
    return { ...screen, text: screenText(screen) };
  }

  /** All that it has printed on its serial port, from its start on. */
  get serial(): string {
    return this.#serial.text;
  }

  /** All that it has printed on its debug console. */
  get debugcon(): string {
    return this.#debugcon.text;
  }

  /** How the last run ended; undefined before the first one. */
  get end(): RunEnd | undefined {
    return this.#end;
  }

  /** If the last run ended with a fault: what happened, with code and registers. */
  get explanation(): string | undefined {
    if (!this.#end || !FAULTS.has(this.#end.reason)) return undefined;
    return explainFault(collectFault(this.local, this.#end), this.symbols);
  }

  /** Registers as they are now. */
  regs(): GuestRegisters {
    this.local.completePendingIo();
    const { vcpu } = this.local;
    const { cr0, cr2, cr3, cr4, cr8, efer } = vcpu.getSregs();
    return { ...(plain(vcpu.getRegs()) as GuestRegisters), cr0, cr2, cr3, cr4, cr8, efer };
  }

  /**
   * The last change of `length` bytes, by default of all that the symbol owns: the instruction or device, where in the run, and
   * both values; undefined where they are as when the guest was started. A write of the same value is no change. Needs
   * the option `record`. Throws UsageError, or ReplayDivergence where the guest depends on what cannot be recorded.
   */
  blame(place: Place, length?: number): BlamedWrite | undefined {
    return this.#writes(place, length, 1)[0];
  }

  /** As {@link blame}: all changes, newest first. */
  blameAll(place: Place, length?: number): BlamedWrite[] {
    return this.#writes(place, length, Number.POSITIVE_INFINITY);
  }

  #writes(place: Place, length: number | undefined, most: number): BlamedWrite[] {
    if (!this.recorded) throw new UsageError('nobody knows who wrote: the guest is not recorded; give `record: true`');
    const ranges = [...this.memory.pieces(place, length)].map(({ gpa, size }) => ({ gpa, length: size }));
    return this.recorded.writes(ranges, most);
  }

  /** What it has printed so far, for {@link continueFrom}. */
  get printed(): Printed {
    return { serial: this.#serial.raw, debugcon: this.#debugcon.raw };
  }

  /** Its machine was put to where a guest has printed this, and nothing was typed. */
  continueFrom({ serial, debugcon }: Printed): void {
    this.#serial.reset(serial);
    this.#debugcon.reset(debugcon);
    this.#sent = new Uint8Array();
    this.#typed = new Uint8Array();
    this.#end = undefined;
  }
}

/** Whether the text is in it, or what matches. */
export const isIn = (text: string, wanted: string | RegExp): boolean =>
  typeof wanted === 'string' ? text.includes(wanted) : text.search(wanted) >= 0;

function wantedText(until: Until): string {
  if ('port' in until) return `port 0x${until.port.toString(16)}`;
  return 'serial' in until ? `printing ${printable(until.serial)}` : `showing ${printable(until.screen)}`;
}

const printable = (pattern: string | RegExp) =>
  typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
