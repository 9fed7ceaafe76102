/**
 * Runs a machine and stays its console until it ends: output, input, signals, checkpoints, the report. Shared by `run`
 * and `restore`.
 */

import { explainFault } from '../../../src/runner/fault/explain.ts';
import { FAULTS, type RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { attachConsole } from '../console.ts';
import { EnterEcho } from '../enter-echo.ts';
import { EXIT, exitStatus } from '../exit-status.ts';
import { isInteractive } from '../foreground.ts';
import { toJson } from '../json.ts';
import { tell, writeTo } from '../output.ts';
import { endText, summaryLines } from '../summary.ts';
import { tracing } from '../trace.ts';
import { Hold } from './hold.ts';
import type { AttendOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import { Remote } from './remote.ts';
import { EndSignals } from './signals.ts';
import type { Subject } from './subject.ts';
import { Transcript } from './transcript.ts';
import { stopPointsOf } from './triggers.ts';

export type { Subject } from './subject.ts';

/** Runs it; returns the exit status. The machine stays the caller's to dispose. */
export async function attend(subject: Subject, options: AttendOptions): Promise<number> {
  let hold: Hold | undefined;
  using signals = new EndSignals(() => hold?.stop());
  const transcript = options.json ? new Transcript() : undefined;
  const say = options.quiet || options.json ? () => {} : tell;
  const remote = options.name === undefined ? undefined : new Remote(options.name);
  const echo = new EnterEcho();
  let recorder: Recorder | undefined;
  const stopAt = stopPointsOf(options.checkpointAt ?? []);
  const running = await RunningMachine.start(subject.machine, {
    serial: (bytes) => {
      remote?.output(bytes);
      return transcript ? transcript.add(bytes) : writeTo(process.stdout, echo.shown(bytes));
    },
    debugcon: (bytes) => writeTo(process.stderr, bytes),
    assist: options.assist,
    ...(stopAt && { stopAt }),
    ...(tracing(options) && { trace: (bytes: Uint8Array) => writeTo(process.stderr, bytes) }),
  });
  hold = new Hold(running, options.timeout, options.paused === true);
  if (signals.caught) hold.stop();
  let end: EndSummary = { reason: 'failed', exitStatus: EXIT.OURS };
  try {
    subject.prepare?.(running);
    const { store } = options;
    const listener = {
      tell: say,
      taken: (...report: Parameters<Remote['taken']>) => remote?.taken(...report),
      rolledBack: (...report: Parameters<Remote['rolledBack']>) => remote?.rolledBack(...report),
      progressed: (...so: Parameters<Remote['progressed']>) => remote?.progressed(...so),
    };
    if (store !== undefined) recorder = await Recorder.start(running, { ...options, store }, subject, listener);
    await remote?.attach({
      running,
      hold,
      ...(recorder && { recorder }),
      subject,
    });
    if (options.paused) say(`vmlapse: paused; it goes on with: vmlapse resume ${options.name}`);
    if (isInteractive()) say('vmlapse: Ctrl-A x leaves, Ctrl-A h helps');
    const result = await runToEnd({ running, hold, recorder, signals, echo });
    remote?.ending();
    const explained = await withExplanation(running, result, subject);
    await recorder?.finish();
    const missed = recorder?.asked.missed ?? [];
    const status = exitStatus(explained, signals.caught, missed.length > 0);
    end = { reason: explained.reason, exitStatus: status };
    report(explained, { status, missed, before: subject.ended === true }, options, transcript);
    return status;
  } finally {
    await recorder?.close();
    await remote?.close(end);
    await running.close();
  }
}

/** What a run is made of. */
interface Attending {
  readonly running: RunningMachine;
  readonly hold: Hold;
  readonly recorder: Recorder | undefined;
  readonly signals: EndSignals;
  readonly echo: EnterEcho;
}

/** Runs with stdin attached; the terminal is restored whatever happens. */
async function runToEnd({ running, hold, recorder, signals, echo }: Attending): Promise<RunResult> {
  const detach = attachConsole({
    send: (bytes) => {
      const taken = running.send(bytes);
      if (process.stdin.isTTY) echo.typed(bytes.subarray(0, taken));
      return taken;
    },
    leave: () => signals.raise('SIGINT'),
    tell,
    ...(recorder && { commands: consoleCommands(recorder) }),
  });
  try {
    recorder?.arm();
    for (let run = hold.run(); ; ) {
      const result = await run;
      if (hold.stopped && result.reason === 'stop-point') return { ...result, reason: 'interrupted' };
      if (result.reason !== 'stop-point') {
        if (result.stopPoint !== undefined) await recorder?.take(result.stopPoint, { stayPaused: true });
        return result;
      }
      ({ run } = await onFrom(result.stopPoint!, hold, recorder));
    }
  } finally {
    detach();
  }
}

/** Takes the checkpoint that a stop was for; the guest runs on as soon as all of it is copied. */
function onFrom(
  stopPoint: string,
  hold: Hold,
  recorder: Recorder | undefined,
): Promise<{ readonly run: Promise<RunResult> }> {
  const stoppedAt = performance.now();
  return new Promise((resolve) => {
    let gone = false;
    const goOn = () => {
      if (!gone) resolve({ run: hold.run() });
      gone = true;
    };
    if (!recorder?.asked.wants(stopPoint)) goOn();
    else void recorder.take(stopPoint, { stayPaused: true, stoppedAt, onTaken: goOn }).finally(goOn);
  });
}

const consoleCommands = (recorder: Recorder) => ({
  c: { help: 'take a checkpoint', run: () => void recorder.takeNow('console') },
  r: { help: 'roll back to the last checkpoint', run: () => orTell(() => recorder.rollback()) },
});

/** A command typed at the console that fails must not end the run. */
function orTell(run: () => void): void {
  try {
    run();
  } catch (error) {
    tell(`vmlapse: ${(error as Error).message}`);
  }
}

async function withExplanation(running: RunningMachine, result: RunResult, { symbols }: Subject): Promise<RunResult> {
  if (!FAULTS.has(result.reason)) return result;
  const fault = await running.threads[result.vcpu]!.call('fault', result);
  const table = symbols?.();
  const nearest = (address: bigint) => {
    const found = table?.nearest(address);
    return found && { name: found.symbol.name, offset: found.offset };
  };
  return { ...result, explanation: explainFault(fault, { nearest }) };
}

/** What is told of a run beside its result. */
interface Told {
  readonly status: number;
  /** Checkpoints that were asked for and not taken. */
  readonly missed: readonly string[];
  /** The guest had ended before it was restored. */
  readonly before: boolean;
}

function report(
  result: RunResult,
  { status, missed, before }: Told,
  options: AttendOptions,
  transcript: Transcript | undefined,
): void {
  if (transcript) {
    const ended = missed.length > 0 ? `${endText(result)}; checkpoints were missed` : endText(result);
    const told = { ended, exitStatus: status, ...(missed.length > 0 && { missed }) };
    process.stdout.write(`${toJson({ ...result, ...told, ...transcript.summary() })}\n`);
    return;
  }
  if (result.explanation) tell(result.explanation);
  if (!options.quiet) for (const line of summaryLines(result, before)) tell(line);
}
