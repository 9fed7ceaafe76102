/** A run's serial port in this terminal: the usual front of a session. */
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { EnterEcho } from '../console.ts';
import { writeTo } from '../output.ts';
import type { CapturedOutput } from './captured-output.ts';
import { teletypeText } from './teletype-text.ts';
import { type Typing, typingAt } from './typing.ts';

/** What a session shows of its machine, and where what is typed goes. */
export interface Front {
  serial(bytes: Uint8Array): void | Promise<void>;
  debugcon(bytes: Uint8Array): void | Promise<void>;
  /** Text that the guest shows by its BIOS, as bytes of code page 437. */
  teletype(bytes: Uint8Array): void | Promise<void>;
  /** Takes bytes from standard input; returns how many were taken. */
  typed(bytes: Uint8Array): number;
  /** The machine exists and is about to run. */
  open(running: RunningMachine): void;
  /** The run is over; the machine still exists. Safe to call twice, and without {@link open}. */
  close(): void;
}

/** With `captured`, output is collected there. */
export class SerialConsole implements Front {
  readonly #captured: CapturedOutput | undefined;
  readonly #echo = new EnterEcho();
  #typing: Typing | undefined;

  constructor(captured?: CapturedOutput) {
    this.#captured = captured;
  }

  serial(bytes: Uint8Array): void | Promise<void> {
    return this.#captured ? this.#captured.serial.add(bytes) : writeTo(process.stdout, this.#echo.shown(bytes));
  }

  debugcon(bytes: Uint8Array): void | Promise<void> {
    return this.#captured ? this.#captured.debugcon.add(bytes) : writeTo(process.stderr, bytes);
  }

  teletype(bytes: Uint8Array): void | Promise<void> {
    return this.#captured ? undefined : writeTo(process.stdout, Buffer.from(teletypeText(bytes)));
  }

  typed(bytes: Uint8Array): number {
    const taken = this.#typing?.send(bytes) ?? 0;
    if (process.stdin.isTTY) this.#echo.typed(bytes.subarray(0, taken));
    return taken;
  }

  open(running: RunningMachine): void {
    this.#typing = typingAt(running);
  }

  close(): void {
    this.#typing?.stop();
  }
}
