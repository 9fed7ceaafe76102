/** `restore --fork N`: runs several machines from one checkpoint at once; each output line begins with the fork's number. */
import { setMaxListeners } from 'node:events';
import type { ForkTemplate } from '../../../snapshot/fork.ts';
import type { AssistMode } from '../../../src/runner/assist.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { printLine, toJson, writeTo } from '../output.ts';
import { endText, exitStatus, summaryLines } from '../run-end.ts';
import { CapturedOutput } from './captured-output.ts';
import { EndSignals } from './end-signals.ts';

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
    const lines = new LineSplitter((line) => writeTo(process.stdout, Buffer.from(`[${i}] ${line}\n`, 'latin1')));
    const { machine, load } = template.fork();
    using _machine = machine;
    const running = await RunningMachine.start(machine, {
      serial: (bytes) => (options.json ? captured.add(bytes) : lines.add(bytes)),
      assist: options.assist,
    });
    try {
      load(running);
      const result = await running.run({ timeoutMs: options.timeout, signal: stop.signal });
      lines.end();
      return { ...result, ended: endText(result), ...(options.json && captured.summary()) };
    } finally {
      await running.close();
    }
  });
  const results = await Promise.all(runs);
  report(results, options);
  return Math.max(...results.map((result) => exitStatus(result, signals.caught)));
}

function report(results: readonly RunResult[], options: ForkOptions): void {
  if (options.json)
    process.stdout.write(`${toJson(results.map((result) => ({ ...result, exitStatus: exitStatus(result) })))}\n`);
  else if (!options.quiet) {
    results.forEach((result, i) => {
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
