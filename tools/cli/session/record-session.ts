/** `run --record`: runs a machine in this thread and records it; its serial port is this terminal. */
import { setImmediate as turn } from 'node:timers/promises';
import { Recorder, type RecordReport, TIMEOUT_IN_HLT, WAITS } from '../../../debug/recording/recorder.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { UsageError } from '../../../src/errors.ts';
import { collectFault } from '../../../src/runner/fault/collect.ts';
import { explainFault } from '../../../src/runner/fault/explain.ts';
import { FAULTS, type RunEnd, type RunResult } from '../../../src/runner/result.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { attachConsole, EnterEcho } from '../console.ts';
import { dropSlowReaders, printLine, toJson, writeTo } from '../output.ts';
import { EXIT, endText, exitStatus, summaryLines } from '../run-end.ts';
import { counted, short } from '../store/format.ts';
import { withStore } from '../store/new-store.ts';
import { CapturedOutput } from './captured-output.ts';
import { EndSignals } from './end-signals.ts';
import type { PreparedMachine } from './endpoint.ts';
import type { SessionOptions } from './options.ts';
import type { RecordEndpoint } from './record-endpoint.ts';
import { teletypeText } from './teletype-text.ts';

/** How long the guest runs before this thread looks at signals and input. */
const SLICE_MS = 50;
/** The same for a guest that sleeps between ticks of its timer: input comes as it is typed. */
const IDLE_SLICE_MS = 10;
/** Input that waits for the guest; the rest waits in the pipe. */
const INPUT_BYTES = 65_536;

/** What a recorded run does not do, by option, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  screen: 'keys are not recorded',
  gdb: 'a debugger needs a thread for the vCPU, and a recorded machine runs in that of the command',
  checkpointAt: 'a recording takes its checkpoints by --every',
  keep: 'a recording needs all its checkpoints',
  maxPause: 'a recording needs all its checkpoints',
  level: 'a recording chooses it',
};

/** Throws UsageError for options that do not go with `--record`. */
export function checkRecordOptions(
  options: SessionOptions & { readonly onReset: string; readonly cpus: number },
): void {
  if (options.cpus > 1) throw new UsageError("several vCPUs cannot be recorded: their order is the host's");
  if (options.store === undefined) throw new UsageError('a recording needs a place: add --store DIR');
  if (options.onReset === 'restart')
    throw new UsageError('--record does not go with --on-reset restart: a recording ends with the reset');
  for (const [option, why] of Object.entries(WITHOUT)) {
    if ((options as unknown as Record<string, unknown>)[option] === undefined) continue;
    const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--record does not go with --${flag}: ${why}`);
  }
}

/** Runs and records the machine to its end; returns the exit status. The caller disposes the machine. */
export const runRecorded = (prepared: PreparedMachine, options: SessionOptions): Promise<number> =>
  withStore({ store: options.store! }, (store) => record(store, prepared, options));

async function record(store: Store, prepared: PreparedMachine, options: SessionOptions): Promise<number> {
  let stopped = false;
  let endpoint: RecordEndpoint | undefined;
  let wake = () => {};
  const awake = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const stop = () => {
    stopped = true;
    wake();
  };
  using signals = new EndSignals(stop);
  const captured = options.json ? new CapturedOutput() : undefined;
  const echo = new EnterEcho();
  let full: Promise<void> | undefined;
  const show = {
    serial: (bytes: Uint8Array) => writeTo(process.stdout, echo.shown(bytes)),
    debugcon: (bytes: Uint8Array) => writeTo(process.stderr, bytes),
    teletype: (bytes: Uint8Array) => writeTo(process.stdout, Buffer.from(teletypeText(bytes))),
    notes: (bytes: Uint8Array) =>
      options.quiet ? undefined : printLine(`vmlapse: ${Buffer.from(bytes).toString().trimEnd()}`),
  };
  const collect: Partial<Record<keyof typeof show, (bytes: Uint8Array) => void>> = captured
    ? {
        serial: (bytes) => captured.serial.add(bytes),
        debugcon: (bytes) => captured.debugcon.add(bytes),
        teletype: () => {},
        notes: () => {},
      }
    : {};
  using recorder = new Recorder(prepared.machine, store, {
    assist: options.assist,
    output(channel, bytes) {
      if (channel === 'serial') endpoint?.output(bytes);
      if (channel === 'teletype') endpoint?.output(Buffer.from(teletypeText(bytes)));
      full = (collect[channel] ?? show[channel])(bytes.slice()) ?? full;
    },
    ...(options.every !== undefined && { everyMs: options.every }),
    ...(prepared.guest && { guest: prepared.guest }),
  });
  const send = (bytes: Uint8Array) => {
    const taken = bytes.subarray(0, INPUT_BYTES - recorder.waiting);
    recorder.send(taken);
    wake();
    return taken.length;
  };
  let summary: EndSummary = { reason: 'failed', exitStatus: EXIT.OURS };
  if (options.name !== undefined)
    endpoint = await (await import('./record-endpoint.ts')).RecordEndpoint.open(options.name, {
      ...{ recorder, store, image: prepared.image, send },
      stop() {
        dropSlowReaders();
        stop();
      },
    });
  const detach = attachConsole({
    send(bytes) {
      const taken = send(bytes);
      if (process.stdin.isTTY) echo.typed(bytes.subarray(0, taken));
      return taken;
    },
    leave: () => signals.raise('SIGINT'),
    printLine,
  });
  const deadline = performance.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
  try {
    let end: RunEnd | undefined;
    for (;;) {
      const left = deadline - performance.now();
      const slice = end === TIMEOUT_IN_HLT ? IDLE_SLICE_MS : SLICE_MS;
      end = recorder.run({ timeoutMs: Math.max(0, Math.min(slice, left)) });
      if (full) await full;
      full = undefined;
      // A signal is seen only after the event loop has waited for events, which is in the second turn.
      for (const _ of [1, 2]) await turn();
      if (stopped || (end !== WAITS && end.reason !== 'timeout')) break;
      if (performance.now() >= deadline) break;
      if (end === WAITS && recorder.waiting === 0) await Promise.race([awake(), elapsed(deadline)]);
    }
    endpoint?.ending();
    detach();
    const reason = stopped ? 'interrupted' : performance.now() >= deadline && end === WAITS ? 'timeout' : end.reason;
    const result = await withExplanation(recorder, { ...end, reason, vcpu: 0, ...recorder.local.counts() }, prepared);
    const recorded = recorder.finish();
    const status = exitStatus(result, signals.caught);
    summary = { reason, exitStatus: status };
    report(result, recorded, status, options, captured);
    return status;
  } finally {
    detach();
    await endpoint?.close(summary);
  }
}

async function withExplanation(
  { local }: Recorder,
  result: RunResult,
  { symbols }: PreparedMachine,
): Promise<RunResult> {
  if (!FAULTS.has(result.reason)) return result;
  return { ...result, explanation: explainFault(collectFault(local, result), await symbols?.()) };
}

const elapsed = (deadline: number) =>
  new Promise<void>((resolve) => {
    if (Number.isFinite(deadline)) setTimeout(resolve, deadline - performance.now()).unref();
  });

function report(
  result: RunResult,
  recorded: RecordReport,
  status: number,
  options: SessionOptions,
  captured: CapturedOutput | undefined,
): void {
  if (captured) {
    const facts = { ended: endText(result), exitStatus: status, recorded };
    process.stdout.write(`${toJson({ ...result, ...facts, ...captured.summary() })}\n`);
    return;
  }
  if (result.explanation) printLine(result.explanation);
  if (options.quiet) return;
  for (const line of summaryLines(result)) printLine(line);
  const { digest, exits, checkpoints, isCut } = recorded;
  printLine(
    `vmlapse: recorded ${counted(exits, 'exit')} in ${counted(checkpoints, 'checkpoint')}, the last is ${short(digest)}`,
  );
  if (isCut)
    printLine('vmlapse: the guest was computing when it was stopped: the recording ends at its last checkpoint');
}
