/** What a RunningMachine is given: when its threads start, and for each run. */
import { ABORT_SIGNAL, FUNCTION, MILLISECONDS, OBJECT, type OptionKinds } from '../../options.ts';
import { ASSIST_MODE, type AssistMode } from '../assist/mode.ts';
import type { StopPoints } from '../stop-points.ts';
import type { OutputSink } from './output.ts';

/** How to start the threads. */
export interface StartOptions {
  readonly serial?: OutputSink;
  readonly debugcon?: OutputSink;
  /** Receives the text that the guest shows by the BIOS (INT 10h), as bytes of code page 437. */
  readonly teletype?: OutputSink;
  /** Receives what the BIOS has to tell the user, in lines: services that it does not have. */
  readonly notes?: OutputSink;
  /** Receives a line for every ioctl of the vCPU threads and of that for disks, and for every call of the BIOS. Absent: no tracing, at no cost. */
  readonly trace?: OutputSink;
  /** As {@link trace}; each line is a {@link TraceEvent} as JSON. */
  readonly traceEvents?: OutputSink;
  readonly assist?: AssistMode;
  /** Exits after which run() resolves with reason "stop-point"; the next run() continues from there. */
  readonly stopAt?: StopPoints;
}

/** How to run. */
export interface RunOptions {
  /** Milliseconds that the guest may run, in which the time of a {@link RunningMachine.hold} is not counted. */
  readonly timeoutMs?: number | undefined;
  /** Ends the run with reason "interrupted"; at once if it is aborted already. */
  readonly signal?: AbortSignal;
}

/** The kinds of {@link StartOptions}. */
export const START_OPTIONS: OptionKinds<StartOptions> = {
  serial: FUNCTION,
  debugcon: FUNCTION,
  teletype: FUNCTION,
  notes: FUNCTION,
  trace: FUNCTION,
  traceEvents: FUNCTION,
  assist: ASSIST_MODE,
  stopAt: OBJECT,
};
/** The kinds of {@link RunOptions}. */
export const RUN_OPTIONS: OptionKinds<RunOptions> = { timeoutMs: MILLISECONDS, signal: ABORT_SIGNAL };
