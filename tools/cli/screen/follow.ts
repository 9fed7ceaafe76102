/** `vmlapse screen NAME --follow`: a machine's screen, again whenever it has changed, until the machine ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlClient } from '../../control/client.ts';
import { sameScreen } from '../../screen/packed.ts';
import type { Screen } from '../../screen/screen.ts';
import { printLine, writeTo } from '../output.ts';
import { endWithReader } from '../reader.ts';
import { type EndSignal, SIGNAL_STATUS } from '../run-end.ts';
import { FRAME_MS } from './redraw.ts';
import { takeTerminal } from './this-terminal.ts';

/** Asks with `look`. On a terminal the screen is drawn; otherwise each one is printed as `rendered` has it. */
export async function followScreen(
  client: ControlClient,
  look: () => Promise<Screen>,
  rendered: (screen: Screen) => string,
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  const draws = process.stdout.isTTY && !json;
  await client.subscribe(['end'], () => {});
  endWithReader();
  const frames = draws ? drawn() : printed(rendered, json ? '' : '\f');
  try {
    for (let last: Screen | undefined; ; await sleep(FRAME_MS)) {
      const screen = await client.unlessEnded(look());
      if (!screen) break;
      if (!sameScreen(last, screen)) await frames.show(screen);
      last = screen;
    }
  } finally {
    frames[Symbol.dispose]();
  }
  printLine(`vmlapse: ${client.name} has ended: ${client.end?.reason}`);
}

/** Shows screens, one after the other. */
interface Frames extends Disposable {
  show(screen: Screen): void | Promise<void>;
}

/** Draws them. A signal that ends the process gives the terminal back first; the exit status is a shell's for that signal. */
function drawn(): Frames {
  const { terminal, [Symbol.dispose]: giveBack } = takeTerminal();
  terminal.note('vmlapse: Ctrl-C ends this; the machine runs on');
  const leave = (signal: NodeJS.Signals) => process.exit(SIGNAL_STATUS[signal as EndSignal]);
  const signals = Object.keys(SIGNAL_STATUS) as EndSignal[];
  for (const signal of signals) process.once(signal, leave);
  return {
    show: (screen) => terminal.draw(screen),
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, leave);
      giveBack();
    },
  };
}

function printed(rendered: (screen: Screen) => string, between: string): Frames {
  let isFirst = true;
  return {
    show(screen) {
      const before = isFirst ? '' : between;
      isFirst = false;
      return writeTo(process.stdout, before + rendered(screen));
    },
    [Symbol.dispose]() {},
  };
}
