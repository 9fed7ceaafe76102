/** The terminal of this process, drawn on: given back however the process ends or is stopped, and drawn anew when it returns. */
import type { WriteStream } from 'node:tty';
import { showsUnicode } from '../terminal-text.ts';
import { TerminalScreen } from './terminal-screen.ts';

/** A screen on standard output. Disposing it gives the terminal back. */
export interface ThisTerminal extends Disposable {
  readonly terminal: TerminalScreen;
}

/** Takes standard output, which must be a terminal. */
export function takeTerminal(stdout = process.stdout as WriteStream): ThisTerminal {
  const terminal = new TerminalScreen(stdout, { ascii: !showsUnicode() });
  const listeners = {
    exit: () => terminal.close(),
    // The shell gets its screen back before the process stops. Where no shell could let it go on, the kernel does not stop it.
    SIGTSTP() {
      terminal.leave();
      process.off('SIGTSTP', listeners.SIGTSTP);
      process.kill(process.pid, 'SIGTSTP');
      setImmediate(() => {
        if (!terminal.isClosed) process.on('SIGTSTP', listeners.SIGTSTP);
        terminal.enter();
      });
    },
    SIGCONT: () => terminal.enter(),
  };
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener);
  const resized = () => terminal.redraw();
  stdout.on('resize', resized);
  return {
    terminal,
    [Symbol.dispose]() {
      for (const [event, listener] of Object.entries(listeners)) process.off(event, listener);
      stdout.off('resize', resized);
      terminal.close();
    },
  };
}
