/**
 * `--screen`: the guest's text screen in this terminal, and the terminal's keys on its keyboard. What goes to the serial port
 * and what this program has to say is kept meanwhile, and printed when the screen is closed.
 */
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { screenOf } from '../../screen/of-machine.ts';
import { screenText } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';
import { divertLines, printLine, writeTo } from '../output.ts';
import { watchScreen } from '../screen/redraw.ts';
import type { TerminalScreen } from '../screen/terminal-screen.ts';
import { takeTerminal } from '../screen/this-terminal.ts';
import { printable } from '../store/format.ts';
import { showsUnicode } from '../terminal-text.ts';
import { LastBytes } from './last-bytes.ts';
import type { Front } from './serial-console.ts';
import { keySender } from './typing.ts';

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

  /** It is on the screen. */
  teletype(): void {}

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
