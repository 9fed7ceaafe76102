/**
 * `--screen`: the guest's text screen in this terminal, and the terminal's keys on its keyboard. What goes to the serial port
 * and what this program has to say is kept meanwhile, and printed when the screen is closed.
 */
import { UsageError } from '../../../src/errors.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { terminalKeys } from '../../screen/keys.ts';
import { screenOf } from '../../screen/of-machine.ts';
import { screenText } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';
import { isInteractive } from '../console.ts';
import { divertLines, printLine, writeTo } from '../output.ts';
import { watchScreen } from '../screen/redraw.ts';
import type { TerminalScreen } from '../screen/terminal-screen.ts';
import { takeTerminal } from '../screen/this-terminal.ts';
import { printable } from '../store/format.ts';
import { showsUnicode } from '../terminal-text.ts';
import { LastBytes } from './last-bytes.ts';
import type { Front } from './serial-console.ts';

/** Throws UsageError where the screen cannot be drawn. */
export function checkScreenOptions(
  options: { readonly screen?: boolean; readonly json?: boolean },
  traces: boolean,
): void {
  if (!options.screen) return;
  if (options.json) throw new UsageError('--screen draws where --json prints: leave one of them out');
  if (traces) throw new UsageError('--screen draws where --trace prints: leave one of them out');
  if (!isInteractive())
    throw new UsageError(
      '--screen needs a terminal for input and output; elsewhere give the machine a --name, and use vmlapse screen NAME',
    );
}

/** Most bytes that are kept of each stream: the last ones. */
const KEPT_BYTES = 2 ** 20;

/** A run's screen in this terminal. */
export class ScreenConsole implements Front {
  readonly #serial = new LastBytes(KEPT_BYTES);
  readonly #debugcon = new LastBytes(KEPT_BYTES);
  #end = () => {};
  #send: (bytes: Uint8Array) => number = () => 0;

  serial(bytes: Uint8Array): void {
    this.#serial.add(bytes);
  }

  debugcon(bytes: Uint8Array): void {
    this.#debugcon.add(bytes);
  }

  typed(bytes: Uint8Array): number {
    return this.#send(bytes);
  }

  /** Takes the terminal. Throws what reading the screen throws; {@link close} gives the terminal back then, too. */
  open(running: RunningMachine): void {
    const { machine } = running;
    const { terminal, [Symbol.dispose]: giveBack } = takeTerminal();
    const lines: string[] = [];
    const undivert = divertLines(notesOn(terminal, lines));
    let unwatch = () => {};
    let last: Screen | undefined;
    this.#end = () => {
      try {
        unwatch();
      } finally {
        giveBack();
        undivert();
        // What the guest said last would be gone with the second screen.
        if (last) void writeTo(process.stdout, screenText(last, { ascii: !showsUnicode() }));
        void writeTo(process.stdout, this.#serial.bytes());
        void writeTo(process.stderr, this.#debugcon.bytes());
        for (const line of lines) printLine(line);
      }
    };
    terminal.note('vmlapse: Ctrl-A x leaves, Ctrl-A h helps');
    unwatch = watchScreen(
      () => screenOf(machine),
      (screen) => {
        last = screen;
        terminal.draw(screen);
      },
    );
    const send = keySender((codes) => running.press(codes));
    this.#send = (bytes) => {
      terminal.uncover();
      return send(bytes);
    };
  }

  close(): void {
    const end = this.#end;
    this.#end = () => {};
    end();
  }
}

/** Keeps lines in `all`, and shows them on the terminal; those that come together, such as a help's, side by side. */
function notesOn(terminal: TerminalScreen, all: string[]): (line: string) => void {
  const together: string[] = [];
  return (line) => {
    all.push(line);
    if (together.length === 0) setImmediate(() => together.splice(0));
    together.push(printable(line));
    terminal.note(together.join(' | '));
  };
}

/** How long the rest of a key may take to come: its bytes may arrive in two reads, as over a network. */
const REST_MS = 50;

/** Takes what a terminal sends to the keyboard; returns how many bytes were taken. The others are to be sent again, soon. */
export function keySender(
  press: (codes: Uint8Array) => number,
  now = () => performance.now(),
): (bytes: Uint8Array) => number {
  let half: { readonly codes: Uint8Array; readonly bytes: number } | undefined;
  let begun: { readonly bytes: number; readonly at: number } | undefined;
  /** Presses a key that the terminal sent as so many bytes; returns them when it is down and up, else 0. */
  const finish = (codes: Uint8Array, bytes: number) => {
    const pressed = press(codes);
    half = pressed < codes.length ? { codes: codes.subarray(pressed), bytes } : undefined;
    return half ? 0 : bytes;
  };
  /** Whether the rest of a key that has these bytes may still come. */
  const mayStillCome = (bytes: number) => {
    if (begun?.bytes !== bytes) begun = { bytes, at: now() };
    return now() - begun.at < REST_MS;
  };
  return (bytes) => {
    let taken = half ? finish(half.codes, half.bytes) : 0;
    if (half) return taken;
    for (const key of terminalKeys(bytes.subarray(taken))) {
      if (key.mayGoOn && mayStillCome(bytes.length - taken)) break;
      begun = undefined;
      taken += finish(key.codes, key.bytes);
      if (half) break;
    }
    return taken;
  };
}
