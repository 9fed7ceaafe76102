/**
 * Runs a machine and stays its console until it ends: output, input, signals, checkpoints, the report. Shared by `run`
 * and `restore`.
 */

import { explainFault } from '../../../src/runner/fault/explain.ts';
import { FAULTS, type RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { attachConsole } from '../console.ts';
import { EXIT, exitStatus } from '../exit-status.ts';
import { toJson } from '../json.ts';
import { tell, writeTo } from '../output.ts';
import { summaryLines } from '../summary.ts';
import { tracing } from '../trace.ts';
import { Hold } from './hold.ts';
import type { AttendOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import { Remote } from './remote.ts';
import { EndSignals } from './signals.ts';
import type { Subject } from './subject.ts';
import { Transcript } from './transcript.ts';
import { stopPointsOf, textWatcher } from './triggers.ts';

export type { Subject } from './subject.ts';

/** Runs it; returns the exit status. The machine stays the caller's to dispose. */
export async function attend(subject: Subject, options: AttendOptions): Promise<number> {
  let hold: Hold | undefined;
  using signals = new EndSignals(() => hold?.stop());
  const transcript = options.json ? new Transcript() : undefined;
  const say = options.quiet || options.json ? () => {} : tell;
  const remote = options.name === undefined ? undefined : new Remote(options.name);
  let recorder: Recorder | undefined;
  const triggers = options.checkpointAt ?? [];
  const texts = triggers.flatMap((t) => (t.kind === 'serial' ? [t.text] : []));
  const watch = textWatcher(texts, (text) => void recorder?.take(`serial:${text}`));
  const stopAt = stopPointsOf(triggers);
  const running = await RunningMachine.start(subject.machine, {
    serial: (bytes) => {
      watch(bytes);
      remote?.output(bytes);
      return transcript ? transcript.add(bytes) : writeTo(process.stdout, bytes);
    },
    debugcon: (bytes) => writeTo(process.stderr, bytes),
    assist: options.assist,
    ...(stopAt && { stopAt }),
    ...(tracing(options) && { trace: (bytes: Uint8Array) => writeTo(process.stderr, bytes) }),
  });
  hold = new Hold(running, options.timeout, options.paused === true);
  if (signals.caught) hold.stop();
  let end: EndSummary = { reason: 'failed', exitStatus: EXIT.FAILURE };
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
    const result = await runToEnd(running, hold, recorder, signals);
    remote?.ending();
    const explained = await withExplanation(running, result, subject);
    await recorder?.close();
    const status = exitStatus(explained, signals.caught);
    end = { reason: explained.reason, exitStatus: status };
    report(explained, status, options, transcript);
    return status;
  } finally {
    await remote?.close(end);
    await running.close();
  }
}

/** Runs with stdin attached; the terminal is restored whatever happens. */
async function runToEnd(
  running: RunningMachine,
  hold: Hold,
  recorder: Recorder | undefined,
  signals: EndSignals,
): Promise<RunResult> {
  const detach = attachConsole({
    send: (bytes) => running.send(bytes),
    leave: () => signals.raise('SIGINT'),
    tell,
    ...(recorder && { commands: consoleCommands(recorder) }),
  });
  try {
    recorder?.arm();
    for (;;) {
      const result = await hold.run();
      if (result.stopPoint !== undefined) await recorder?.take(result.stopPoint, { stayPaused: true });
      if (result.reason !== 'stop-point') return result;
      if (hold.stopped) return { ...result, reason: 'interrupted' };
    }
  } finally {
    detach();
  }
}

const consoleCommands = (recorder: Recorder) => ({
  c: { help: 'take a checkpoint', run: () => void recorder.take('console') },
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

function report(result: RunResult, status: number, options: AttendOptions, transcript: Transcript | undefined): void {
  if (transcript) {
    process.stdout.write(`${toJson({ ...result, exitStatus: status, ...transcript.summary() })}\n`);
    return;
  }
  if (result.explanation) tell(result.explanation);
  if (!options.quiet) for (const line of summaryLines(result)) tell(line);
}
