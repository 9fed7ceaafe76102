/** What a run says about its screen to those who do not see it. */
import type { Machine } from '../../../src/machine/machine.ts';
import { displayOf, hasSetGraphics, screenOf } from '../../screen/of-machine.ts';
import { screenLines, type TextOptions } from '../../screen/render.ts';
import { showsUnicode } from '../terminal-text.ts';

const LOOK_MS = 500;
const SHOWN_CHARACTERS = 40;

/** Says it, once, when the guest sets a graphics mode. The result ends that, with a last look. */
export function watchGraphics(machine: Machine, say: (line: string) => void): () => void {
  const display = displayOf(machine);
  let said = false;
  const look = () => {
    if (said || !hasSetGraphics(display)) return;
    said = true;
    say('vmlapse: the guest has set a graphics mode: this display shows text alone, so there is no picture');
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return () => {
    clearInterval(timer);
    look();
  };
}

/** The lines on the screen; undefined if it is empty. */
export function textOnScreen(machine: Machine, options: TextOptions = {}): readonly string[] | undefined {
  const lines = screenLines(screenOf(machine), options);
  return lines.length > 0 ? lines : undefined;
}

/** For a guest that has printed nothing on its serial port: says that it has text on its screen. Undefined if it has none. */
export function unseenText(machine: Machine, ascii = !showsUnicode()): string | undefined {
  const last = textOnScreen(machine, { ascii })?.at(-1)?.trim();
  if (last === undefined) return undefined;
  const shown = last.length > SHOWN_CHARACTERS ? `${last.slice(0, SHOWN_CHARACTERS)}…` : last;
  return `vmlapse: nothing came on the serial port, but the guest's screen has text, "${shown}" last: run it with --screen, or with --name NAME and look with vmlapse screen NAME`;
}
