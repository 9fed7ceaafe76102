/** A guest as a test sees it: run it a bit, talk to it, look at its registers and memory. */
import type { SymbolTable } from '../../loaders/symbols.ts';
import { Exit } from '../../src/abi/exits.ts';
import { plain } from '../../src/abi/struct.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import { openSerialInput, type SerialInput } from '../../src/devices/serial-input.ts';
import { GuestFault } from '../../src/errors.ts';
import type { RegisterName } from '../../src/machine/entry.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { collectFault } from '../../src/runner/fault/collect.ts';
import { explainFault } from '../../src/runner/fault/explain.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { FAULTS, type RunEnd } from '../../src/runner/result.ts';
import { ConsoleText } from './console-text.ts';
import { NamedMemory } from './named-memory.ts';
import { describeEnd, tailOf } from './narrate.ts';
import type { GuestRunOptions, Until } from './options.ts';

/** Registers by name. */
export type GuestRegister = RegisterName | 'rip' | 'rflags' | 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer';

/** All {@link GuestRegister}s. */
export type GuestRegisters = Readonly<Record<GuestRegister, bigint>>;

/** What a guest has printed, one character a byte. */
export interface Printed {
  readonly serial: string;
  readonly debugcon: string;
}

const REACHED: RunEnd = { reason: 'stop-point' };

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
  readonly #timeoutMs: number;
  readonly #input: SerialInput;
  readonly #serial = new ConsoleText();
  readonly #debugcon = new ConsoleText();
  #typed: Uint8Array = new Uint8Array();
  #stop: Stop | undefined;
  #end: RunEnd | undefined;
  #exits = 0;

  /** Takes a machine that is ready to run, or to be loaded; the machine stays the caller's to dispose, after this. */
  constructor(machine: Machine, symbols: SymbolTable, timeoutMs: number) {
    this.symbols = symbols;
    this.#timeoutMs = timeoutMs;
    this.local = new LocalMachine(machine, {
      output: (channel, bytes) => (channel === 'serial' ? this.#serial : this.#debugcon).add(bytes),
      served: (exits) => this.#served(exits),
    });
    this.memory = new NamedMemory(this.local, symbols);
    this.#input = openSerialInput(
      DEVICE_SPECS,
      machine.deviceState,
      machine.host(() => {}),
    );
  }

  /**
   * Runs until the guest ends or `timeoutMs` have passed, and says how it ended. With `until`, runs up to there; throws
   * GuestFault NOT_REACHED if the guest does not come there. Can be called again to go on.
   */
  run({ until, timeoutMs = this.#timeoutMs }: GuestRunOptions = {}): RunEnd {
    this.#stop = until && this.#stopAt(until);
    this.#type();
    const end = this.local.advance(timeoutMs);
    this.#stop = undefined;
    this.#end = end;
    this.local.completePendingIo();
    if (until && end !== REACHED) throw this.#notReached(until, end, timeoutMs);
    return end;
  }

  #served(exits: number): RunEnd | undefined {
    if (this.#typed.length > 0) this.#type();
    const isNew = exits !== this.#exits;
    this.#exits = exits;
    return this.#stop?.(isNew) ? REACHED : undefined;
  }

  #stopAt(until: Until): Stop {
    if ('serial' in until) return this.#serial.watchFor(until.serial);
    const { area } = this.local.vcpu;
    return (isNew) => isNew && area.exitReason === Exit.IO && area.ioPort === until.port;
  }

  #notReached(until: Until, end: RunEnd, timeoutMs: number): GuestFault {
    const wanted = 'serial' in until ? `printing ${printable(until.serial)}` : `port 0x${until.port.toString(16)}`;
    const how = end.reason === 'timeout' ? `within ${timeoutMs} ms` : `before it ended (${describeEnd(end)})`;
    const why = this.explanation;
    return new GuestFault(
      'NOT_REACHED',
      `the guest did not come to ${wanted} ${how}\n${why === undefined ? '' : `${why}\n`}${tailOf(this.serial)}`,
    );
  }

  /** Types on the guest's serial port. What does not fit yet follows while it runs. */
  send(text: string | Uint8Array): void {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
    this.#typed = Buffer.concat([this.#typed, bytes]);
    this.#type();
  }

  #type(): void {
    if (this.#typed.length > 0) this.#typed = this.#typed.subarray(this.#input.receive(this.#typed));
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
    return explainFault(collectFault(this.local.vcpu, this.local.machine.memory, this.#end), this.symbols);
  }

  /** Registers as they are now. */
  regs(): GuestRegisters {
    this.local.completePendingIo();
    const { vcpu } = this.local;
    const { cr0, cr2, cr3, cr4, cr8, efer } = vcpu.getSregs();
    return { ...(plain(vcpu.getRegs()) as GuestRegisters), cr0, cr2, cr3, cr4, cr8, efer };
  }

  /** What it has printed so far, for {@link continueFrom}. */
  get printed(): Printed {
    return { serial: this.#serial.raw, debugcon: this.#debugcon.raw };
  }

  /** Its machine was put to where a guest has printed this, and nothing was typed. */
  continueFrom({ serial, debugcon }: Printed): void {
    this.#serial.reset(serial);
    this.#debugcon.reset(debugcon);
    this.#typed = new Uint8Array();
    this.#end = undefined;
  }
}

const printable = (pattern: string | RegExp) =>
  typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
