/** Runs a machine with its console, signals, checkpoints and control socket until it ends. For `run` and `restore`. */
import { FAULTS, type RunResult } from '../../../src/runner/result.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { attachConsole, isInteractive } from '../console.ts';
import { printLine, toJson } from '../output.ts';
import { EXIT, endText, exitStatus, summaryLines } from '../run-end.ts';
import { CapturedOutput } from './captured-output.ts';
import { DebugDoors, doorLine } from './debug-doors.ts';
import { EndSignals } from './end-signals.ts';
import type { PreparedMachine, RunContext } from './endpoint.ts';
import { gdbAddress, type SessionOptions } from './options.ts';
import type { CheckpointSchedule } from './schedule.ts';
import { textOnScreen, unseenText, watchGraphics } from './screen-notes.ts';
import { type Front, SerialConsole } from './serial-console.ts';
import { teletypeText } from './teletype-text.ts';
import type { Tracing } from './tracing.ts';
import { stopPointsOf } from './triggers.ts';

/** What few runs need is loaded when it is asked for: a run starts that much sooner. */
const parts = {
  endpoint: async (name: string) => new (await import('./endpoint.ts')).ControlEndpoint(name),
  screen: async () => new (await import('./screen-console.ts')).ScreenConsole(),
  resetter: async () => (await import('../../../snapshot/reset.ts')).resetter,
  schedule: async () => (await import('./schedule.ts')).CheckpointSchedule,
};

/** Runs the machine to its end; returns the exit status. The caller disposes the machine. */
export async function runSession(prepared: PreparedMachine, options: SessionOptions, trace: Tracing): Promise<number> {
  const stop = new AbortController();
  const ownsTerminal = options.debugger !== undefined;
  using signals = new EndSignals(() => stop.abort(), { passesOver: ownsTerminal ? ['SIGINT'] : [] });
  const captured = options.json ? new CapturedOutput() : undefined;
  const log = options.quiet || options.json ? () => {} : printLine;
  const endpoint = options.name === undefined ? undefined : await parts.endpoint(options.name);
  const front = options.screen ? await parts.screen() : new SerialConsole(captured);
  let heard = false;
  let schedule: CheckpointSchedule | undefined;
  const stopAt = stopPointsOf(options.checkpointAt ?? []);
  const running = await RunningMachine.start(prepared.machine, {
    serial: (bytes) => {
      heard = true;
      endpoint?.output(bytes);
      return front.serial(bytes);
    },
    debugcon: (bytes) => front.debugcon(bytes),
    teletype: (bytes) => {
      heard = true;
      endpoint?.output(Buffer.from(teletypeText(bytes)));
      return front.teletype(bytes);
    },
    notes: (bytes) => {
      for (const line of Buffer.from(bytes).toString().trimEnd().split('\n')) log(`vmlapse: ${line}`);
    },
    assist: options.assist,
    ...(stopAt && { stopAt }),
    ...trace.threads,
  });
  if (options.paused || options.gdb !== undefined) running.hold();
  const unwatch = watchGraphics(prepared.machine, log);
  let end: EndSummary = { reason: 'failed', exitStatus: EXIT.OURS };
  let doors: DebugDoors | undefined;
  try {
    prepared.prepare?.(running);
    const reset = prepared.bootAgain && (await parts.resetter())(running, () => prepared.bootAgain!());
    const { store } = options;
    if (store !== undefined)
      schedule = await (await parts.schedule()).start(running, { ...options, store }, prepared, log, endpoint);
    doors = new DebugDoors({ running, stop, schedule, log });
    if (options.gdb !== undefined) {
      const door = await doors.open(gdbAddress(options), { isOwned: ownsTerminal });
      if (!ownsTerminal) printLine(doorLine(door));
      const leave = () => stop.abort();
      void options.debugger?.(door.address).then(leave, leave); // its error is reported by whoever has given it
    }
    const context = { running, stop, schedule, prepared, doors };
    await endpoint?.attach(context);
    if (options.paused) log(`vmlapse: paused; it goes on with: vmlapse resume ${options.name}`);
    if (isInteractive() && !ownsTerminal) log('vmlapse: Ctrl-A x leaves, Ctrl-A h helps');
    front.open(running);
    const restart = reset && announced(reset, log);
    const attach = ownsTerminal ? () => () => {} : attachConsole;
    const result = await runToEnd(context, options.timeout, signals, front, { restart, attach });
    endpoint?.ending();
    await doors.close(result);
    const explained = await withExplanation(running, result, prepared);
    await schedule?.finish();
    unwatch();
    front.close();
    const missed = schedule?.requested.missed ?? [];
    const status = exitStatus(explained, signals.caught, missed.length > 0);
    end = { reason: explained.reason, exitStatus: status };
    const screen = textOnScreen(prepared.machine);
    report(explained, { status, missed, before: prepared.ended === true, screen }, options, captured);
    const unseen = heard || options.screen ? undefined : unseenText(prepared.machine);
    if (unseen !== undefined) log(unseen);
    return status;
  } finally {
    unwatch();
    front.close();
    await doors?.close({ reason: 'interrupted' });
    await schedule?.close();
    await endpoint?.close(end);
    await running.close();
  }
}

const announced = (reset: () => void, log: (line: string) => void) => () => {
  log('vmlapse: the guest asked for a reset: it starts again');
  reset();
};

/** Runs with stdin attached; restores the terminal however the run ends. */
async function runToEnd(
  { running, stop, schedule, doors }: RunContext,
  timeoutMs: number | undefined,
  signals: EndSignals,
  front: Front,
  { restart, attach }: { readonly restart: (() => void) | undefined; readonly attach: typeof attachConsole },
): Promise<RunResult> {
  const { signal } = stop;
  const detach = attach({
    send: (bytes) => front.typed(bytes),
    leave: () => signals.raise('SIGINT'),
    printLine,
    ...(schedule && { commands: consoleCommands(schedule, doors) }),
  });
  try {
    schedule?.arm();
    for (let run = running.run({ timeoutMs, signal }); ; ) {
      const result = await run;
      if (signal.aborted && result.reason === 'stop-point') return { ...result, reason: 'interrupted' };
      const goOn = () => running.run({ timeoutMs: running.leftMs, signal });
      if (result.reason !== 'stop-point') {
        if (result.stopPoint !== undefined) await schedule?.take(result.stopPoint, { stayPaused: true });
        if (result.reason !== 'reset' || !restart || signal.aborted) return result;
        restart();
        run = goOn();
        continue;
      }
      ({ run } = await onFrom(result.stopPoint!, goOn, schedule));
    }
  } finally {
    detach();
  }
}

/** Takes the checkpoint of a stop point. The guest runs on when its memory is copied. */
function onFrom(
  stopPoint: string,
  run: () => Promise<RunResult>,
  schedule: CheckpointSchedule | undefined,
): Promise<{ readonly run: Promise<RunResult> }> {
  const stoppedAt = performance.now();
  return new Promise((resolve) => {
    let gone = false;
    const goOn = () => {
      if (!gone) resolve({ run: run() });
      gone = true;
    };
    if (!schedule?.requested.wants(stopPoint)) goOn();
    else void schedule.take(stopPoint, { stayPaused: true, stoppedAt, onTaken: goOn }).finally(goOn);
  });
}

const consoleCommands = (schedule: CheckpointSchedule, doors: DebugDoors) => ({
  c: { help: 'take a checkpoint', run: () => void schedule.takeNow('console') },
  r: { help: 'roll back to the last checkpoint', run: () => orPrint(() => rollback(schedule, doors)) },
});

function rollback(schedule: CheckpointSchedule, doors: DebugDoors): void {
  doors.refuseWhenInUse('rolled back');
  schedule.rollback();
}

/** Prints the error of a console command: it must not end the run. */
function orPrint(run: () => void): void {
  try {
    run();
  } catch (error) {
    printLine(`vmlapse: ${(error as Error).message}`);
  }
}

async function withExplanation(
  running: RunningMachine,
  result: RunResult,
  { symbols }: PreparedMachine,
): Promise<RunResult> {
  if (!FAULTS.has(result.reason)) return result;
  const { explainFault } = await import('../../../src/runner/fault/explain.ts');
  const fault = await running.threads[result.vcpu]!.call('fault', result);
  return { ...result, explanation: explainFault(fault, await symbols?.()) };
}

/** Facts of a run beside its result. */
interface RunFacts {
  readonly status: number;
  /** Checkpoints that were requested and not taken. */
  readonly missed: readonly string[];
  /** The checkpoint is of a guest that had ended. */
  readonly before: boolean;
  /** Lines of the text screen, if there is text. */
  readonly screen: readonly string[] | undefined;
}

function report(
  result: RunResult,
  { status, missed, before, screen }: RunFacts,
  options: SessionOptions,
  captured: CapturedOutput | undefined,
): void {
  if (captured) {
    const ended = missed.length > 0 ? `${endText(result)}; checkpoints were missed` : endText(result);
    const facts = { ended, exitStatus: status, ...(missed.length > 0 && { missed }), ...(screen && { screen }) };
    process.stdout.write(`${toJson({ ...result, ...facts, ...captured.summary() })}\n`);
    return;
  }
  if (result.explanation) printLine(result.explanation);
  if (!options.quiet) for (const line of summaryLines(result, before)) printLine(line);
}
