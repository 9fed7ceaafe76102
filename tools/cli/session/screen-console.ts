/**
 * `--screen`: the guest's text screen in this terminal, and the terminal's keys on its keyboard. What goes to the serial port
 * and what this program has to say is kept meanwhile, and printed when the screen is closed.
 */
import { UsageError } from '../../../src/errors.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { terminalKeys } from '../../screen/keys.ts';
import { screenOf } from '../../screen/of-machine.ts';
import { screenText } from '../../screen/render.ts';
import { isInteractive } from '../console.ts';
import { divertLines, printLine, writeTo } from '../output.ts';
import { watchScreen } from '../screen/redraw.ts';
import { TerminalScreen } from '../screen/terminal-screen.ts';
import { showsUnicode } from '../terminal-text.ts';
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
const kept = (before: Buffer, more: Uint8Array) => Buffer.concat([before, more]).subarray(-KEPT_BYTES);

export class ScreenConsole implements Front {
  #serial: Buffer = Buffer.alloc(0);
  #debugcon: Buffer = Buffer.alloc(0);
  #end = () => {};
  #send: (bytes: Uint8Array) => number = () => 0;

  serial(bytes: Uint8Array): void {
    this.#serial = kept(this.#serial, bytes);
  }

  debugcon(bytes: Uint8Array): void {
    this.#debugcon = kept(this.#debugcon, bytes);
  }

  typed(bytes: Uint8Array): number {
    return this.#send(bytes);
  }

  open(running: RunningMachine): void {
    const { machine } = running;
    const lines: string[] = [];
    let note = '';
    const forget = () => {
      note = '';
    };
    const ascii = !showsUnicode();
    const terminal = new TerminalScreen(process.stdout as never, { ascii });
    const restore = () => terminal.close();
    process.once('exit', restore);
    const undivert = divertLines((line) => {
      lines.push(line);
      // Lines that come together, such as those of a help, stand side by side.
      if (note === '') queueMicrotask(forget);
      note = note === '' ? line : `${note} | ${line}`;
      terminal.note(note);
    });
    terminal.note('vmlapse: Ctrl-A x leaves, Ctrl-A h helps');
    const unwatch = watchScreen(
      () => screenOf(machine),
      (screen) => terminal.draw(screen),
    );
    this.#send = keySender((codes) => running.press(codes));
    this.#end = () => {
      try {
        unwatch();
      } finally {
        restore();
        process.off('exit', restore);
        undivert();
      }
      // What the guest said last would be gone with the second screen.
      void writeTo(process.stdout, screenText(screenOf(machine), { ascii }));
      void writeTo(process.stdout, this.#serial);
      void writeTo(process.stderr, this.#debugcon);
      for (const line of lines) printLine(line);
    };
  }

  close(): void {
    this.#end();
    this.#end = () => {};
  }
}

/** Takes what a terminal sends to the keyboard; returns how many bytes were taken. */
export function keySender(press: (codes: Uint8Array) => number): (bytes: Uint8Array) => number {
  let rest: Uint8Array | undefined;
  return (bytes) => {
    let taken = 0;
    for (const key of terminalKeys(bytes)) {
      const codes = rest ?? key.codes;
      const pressed = press(codes);
      rest = pressed < codes.length ? codes.subarray(pressed) : undefined;
      if (rest) break; // the rest of this key comes first when these bytes are sent again
      taken += key.bytes;
    }
    return taken;
  };
}
