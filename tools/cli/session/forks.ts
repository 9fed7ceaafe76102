/** `restore --fork N`: runs several machines from one checkpoint at once; each output line begins with the fork's number. */
import { setMaxListeners } from 'node:events';
import { allOf, type RunningForkPool, type RunningForkPoolOptions } from '../../../snapshot/running-fork-pool.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import type { AssistMode } from '../../../src/runner/assist/mode.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import type { StartOptions } from '../../../src/runner/threads/run-options.ts';
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

/** Makes the pool of the forks. */
type PoolOf = (how: Pick<RunningForkPoolOptions, 'ready' | 'start'>) => Promise<RunningForkPool>;

/** Runs `count` forks to their ends; returns the highest of their exit statuses. */
export async function runForks(poolOf: PoolOf, count: number, options: ForkOptions): Promise<number> {
  const stop = new AbortController();
  setMaxListeners(count, stop.signal); // or Node warns from the eleventh fork on
  const outputs = Array.from({ length: count }, (_, i) => new ForkOutput(i, options));
  const unused = outputs.values();
  const heard = new Map<Machine, ForkOutput>();
  const start = (machine: Machine) => {
    const output = unused.next().value!;
    heard.set(machine, output);
    return RunningMachine.start(machine, { ...output.sinks, assist: options.assist });
  };
  // none is made before: each runs as soon as it is there, and the first one need not wait for the last
  await using pool = await poolOf({ ready: 0, start });
  using signals = new EndSignals(() => stop.abort()); // not sooner: while the checkpoint is read, a signal ends the process
  const runOne = async () => {
    await using fork = await pool.take();
    const { running, machine } = fork;
    const result = await running.run({ timeoutMs: options.timeout, signal: stop.signal });
    return heard.get(machine)!.end(result, textOnScreen(machine, { ascii: !options.json && !showsUnicode() }));
  };
  const stopAll = (error: unknown) => {
    stop.abort();
    throw error;
  };
  const ended = await allOf(outputs.map(() => runOne().catch(stopAll)));
  report(ended, options);
  return Math.max(...ended.map(({ result }) => exitStatus(result, signals.caught)));
}

/** What one fork says, under its number: printed line by line, or kept for JSON. */
class ForkOutput {
  readonly #number: number;
  readonly #options: ForkOptions;
  readonly #captured = new CapturedOutput();
  readonly #lines = this.#splitterTo(process.stdout);
  readonly #debugLines = this.#splitterTo(process.stderr);
  #wasHeard = false;

  constructor(number: number, options: ForkOptions) {
    this.#number = number;
    this.#options = options;
  }

  #splitterTo(stream: NodeJS.WriteStream): LineSplitter {
    const numbered = (lines: readonly string[]) => lines.map((line) => `[${this.#number}] ${line}\n`).join('');
    return new LineSplitter((lines) => writeTo(stream, Buffer.from(numbered(lines), 'latin1')));
  }

  /** For the machine that the fork is. */
  get sinks(): Pick<StartOptions, 'serial' | 'debugcon' | 'notes'> {
    const { json, quiet } = this.#options;
    const note = (bytes: Uint8Array) => `vmlapse: [${this.#number}] ${Buffer.from(bytes).toString().trimEnd()}`;
    return {
      serial: (bytes) => {
        this.#wasHeard = true;
        return json ? this.#captured.serial.add(bytes) : this.#lines.add(bytes);
      },
      debugcon: (bytes) => (json ? this.#captured.debugcon.add(bytes) : this.#debugLines.add(bytes)),
      notes: (bytes) => void (quiet || json || printLine(note(bytes))),
    };
  }

  /** The fork has ended, with `screen` on its display. */
  end(result: RunResult, screen: readonly string[] | undefined): EndedFork {
    this.#lines.end();
    this.#debugLines.end();
    const facts = { ended: endText(result), ...(screen && { screen }) };
    const kept = this.#options.json && this.#captured.summary();
    return { result: { ...result, ...facts, ...kept }, unseen: this.#wasHeard ? [] : screen };
  }
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

/**
 * Cuts a byte stream into lines, one character for each byte. A line without an end is cut after 4 KiB. The lines of some bytes
 * are handed over at once, since the next bytes may come before these have left.
 */
export class LineSplitter {
  readonly #emit: (lines: readonly string[]) => void | Promise<void>;
  #rest = '';

  constructor(emit: (lines: readonly string[]) => void | Promise<void>) {
    this.#emit = emit;
  }

  add(bytes: Uint8Array): void | Promise<void> {
    const parts = (this.#rest + Buffer.from(bytes).toString('latin1')).split('\n');
    this.#rest = parts.pop() ?? '';
    const lines = parts.map((line) => line.replace(/\r$/, ''));
    if (this.#rest.length > LONGEST_LINE) lines.push(this.#take());
    return lines.length > 0 ? this.#emit(lines) : undefined;
  }

  end(): void {
    if (this.#rest !== '') void this.#emit([this.#take()]);
  }

  #take(): string {
    const rest = this.#rest;
    this.#rest = '';
    return rest;
  }
}
