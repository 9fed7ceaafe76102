/** `restore --fork N`: runs several machines from one checkpoint at once; each output line begins with the fork's number. */
import { setMaxListeners } from 'node:events';
import type { ForkTemplate } from '../../../snapshot/fork.ts';
import type { AssistMode } from '../../../src/runner/assist.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { printLine, toJson, writeTo } from '../output.ts';
import { endText, exitStatus, summaryLines } from '../run-end.ts';
import { showsUnicode } from '../terminal-text.ts';
import { CapturedOutput } from './captured-output.ts';
import { EndSignals } from './end-signals.ts';
import { textOnScreen } from './screen-notes.ts';

/** How the forks run. */
interface ForkOptions {
  readonly timeout?: number;
  readonly assist: AssistMode;
  /** The checkpoint is of a guest that had ended. */
  readonly ended?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Runs `count` forks to their ends; returns the highest of their exit statuses. */
export async function runForks(template: ForkTemplate, count: number, options: ForkOptions): Promise<number> {
  const stop = new AbortController();
  setMaxListeners(count, stop.signal); // or Node warns from the eleventh fork on
  using signals = new EndSignals(() => stop.abort());
  const runs = Array.from({ length: count }, async (_, i) => {
    const captured = new CapturedOutput();
    let heard = false;
    const [lines, debugLines] = [process.stdout, process.stderr].map(
      (stream) => new LineSplitter((line) => writeTo(stream, Buffer.from(`[${i}] ${line}\n`, 'latin1'))),
    ) as [LineSplitter, LineSplitter];
    const { machine, load } = template.fork();
    using _machine = machine;
    const running = await RunningMachine.start(machine, {
      serial: (bytes) => {
        heard = true;
        return options.json ? captured.serial.add(bytes) : lines.add(bytes);
      },
      debugcon: (bytes) => (options.json ? captured.debugcon.add(bytes) : debugLines.add(bytes)),
      notes: (bytes) =>
        void (options.quiet || options.json || printLine(`vmlapse: [${i}] ${Buffer.from(bytes).toString().trimEnd()}`)),
      assist: options.assist,
    });
    try {
      load(running);
      const result = await running.run({ timeoutMs: options.timeout, signal: stop.signal });
      lines.end();
      debugLines.end();
      const screen = textOnScreen(machine, { ascii: !options.json && !showsUnicode() });
      const facts = { ended: endText(result), ...(screen && { screen }) };
      return { result: { ...result, ...facts, ...(options.json && captured.summary()) }, unseen: heard ? [] : screen };
    } finally {
      await running.close();
    }
  });
  const ended = await Promise.all(runs);
  report(ended, options);
  return Math.max(...ended.map(({ result }) => exitStatus(result, signals.caught)));
}

/** A fork that has ended. */
interface EndedFork {
  readonly result: RunResult;
  /** The text on its screen, where nothing came on its serial port. */
  readonly unseen?: readonly string[] | undefined;
}

function report(forks: readonly EndedFork[], options: ForkOptions): void {
  if (options.json) {
    const results = forks.map(({ result }) => ({ ...result, exitStatus: exitStatus(result) }));
    process.stdout.write(`${toJson(results)}\n`);
  } else if (!options.quiet) {
    forks.forEach(({ result, unseen = [] }, i) => {
      if (unseen.length > 0) printLine(`[${i}] vmlapse: nothing came on the serial port; on the screen:`);
      for (const line of unseen) printLine(`[${i}] | ${line}`.trimEnd());
      for (const line of summaryLines(result, options.ended)) printLine(`[${i}] ${line}`);
    });
  }
}

const LONGEST_LINE = 4096;

/** Cuts a byte stream into lines, one character for each byte. A line without an end is cut after 4 KiB. */
class LineSplitter {
  readonly #emit: (line: string) => void | Promise<void>;
  #rest = '';

  constructor(emit: (line: string) => void | Promise<void>) {
    this.#emit = emit;
  }

  async add(bytes: Uint8Array): Promise<void> {
    const lines = (this.#rest + Buffer.from(bytes).toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LONGEST_LINE) this.end();
    for (const line of lines) await this.#emit(line.replace(/\r$/, ''));
  }

  end(): void {
    if (this.#rest !== '') void this.#emit(this.#rest);
    this.#rest = '';
  }
}
