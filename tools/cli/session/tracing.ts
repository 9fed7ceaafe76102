/** `--trace` and `--trace-file`: where the ioctls of a command go, those of its own thread and those of the vCPUs'. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { TraceError, UsageError } from '../../../src/errors.ts';
import { setTracer } from '../../../src/kvm/call.ts';
import { eventLine, traceEvent } from '../../../src/kvm/trace.ts';
import type { StartOptions } from '../../../src/runner/threads/run-options.ts';
import { HEAD_BYTES, readHead } from '../../trace/format.ts';
import { headerFor } from '../../trace/header.ts';
import { LEAST_LIMIT, TraceWriter } from '../../trace/writer.ts';
import { printLine, writeTo } from '../output.ts';
import { EXIT } from '../run-end.ts';
import { counted } from '../store/format.ts';

/** The options' values. */
export interface TracingOptions {
  readonly trace?: boolean;
  readonly traceFile?: string;
  /** Bytes. */
  readonly traceLimit?: number;
}

const DEFAULT_LIMIT = 64 * 2 ** 20;

/** A trace under way. Dispose it when the machine has been disposed of: the file's end is written then. */
export interface Tracing extends Disposable {
  /** What the vCPU threads are to do. */
  readonly threads: Pick<StartOptions, 'trace' | 'traceEvents'>;
  /** Whether the file could not be written. */
  readonly failed: boolean;
}

/** Whether ioctls are printed: `--trace` or VMLAPSE_TRACE=1. */
export const tracing = ({ trace }: TracingOptions): boolean => trace === true || process.env.VMLAPSE_TRACE === '1';

/** Throws UsageError for what would have no effect. */
export function checkTracing({ traceFile, traceLimit }: TracingOptions): void {
  if (traceLimit === undefined) return;
  if (traceFile === undefined)
    throw new UsageError('--trace-limit is about the file of --trace-file: add --trace-file FILE');
  if (traceLimit < LEAST_LIMIT) throw new UsageError(`--trace-limit ${traceLimit}: a trace needs at least 64K`);
}

/** Runs a machine while its ioctls are traced as the options say. The exit status is this program's when the file has not all. */
export async function traced(options: TracingOptions, run: (trace: Tracing) => Promise<number>): Promise<number> {
  const trace = startTracing(options);
  let status: number;
  try {
    status = await run(trace);
  } finally {
    trace[Symbol.dispose]();
  }
  return trace.failed ? EXIT.OURS : status;
}

/** Traces the ioctls of this thread as the options say. Call it before the first ioctl. Throws UsageError and TraceError. */
export function startTracing(options: TracingOptions): Tracing {
  const toStderr = tracing(options);
  const file = options.traceFile === undefined ? undefined : openFile(options.traceFile, options.traceLimit);
  if (toStderr || file)
    setTracer((call) => {
      const event = traceEvent(call, 'main');
      if (toStderr) process.stderr.write(eventLine(event));
      file?.writer.event(event);
    });
  return {
    threads: {
      ...(toStderr && { trace: (bytes: Uint8Array) => writeTo(process.stderr, bytes) }),
      ...(file && { traceEvents: (bytes: Uint8Array) => file.writer.add(bytes) }),
    },
    get failed() {
      return file?.failed === true;
    },
    [Symbol.dispose]() {
      if (!file) return;
      setTracer(undefined);
      file.close();
    },
  };
}

/** The file is written in place, not beside: what a killed process has written is to be there. */
function openFile(path: string, limit = DEFAULT_LIMIT) {
  const fd = opened(path);
  const file = {
    failed: false,
    writer: undefined as unknown as TraceWriter,
    close() {
      file.writer.close();
      closeSync(fd);
      const { leftOut } = file.writer;
      if (leftOut > 0)
        printLine(
          `vmlapse: ${path} is full: it has the beginning, and counts of the other ${counted(leftOut, 'event')}; --trace-limit is how large it may be`,
        );
    },
  };
  file.writer = new TraceWriter(fd, headerFor(commandLine()), limit, (error) => {
    file.failed = true;
    printLine(`vmlapse: the trace ends here: ${path} cannot be written: ${error.message}`);
  });
  return file;
}

const commandLine = (): string => ['vmlapse', ...process.argv.slice(2)].join(' ');

/** Throws UsageError for what is no trace, and TraceError for what cannot be opened. */
function opened(path: string): number {
  try {
    refuseOther(path);
    return openSync(path, 'w');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new TraceError('TRACE_FILE', `--trace-file ${path} cannot be written: ${(error as Error).message}`);
  }
}

/** A trace may be replaced; any other file was meant for something else. */
function refuseOther(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (!there?.isFile() || there.size === 0) return;
  const fd = openSync(path, 'r');
  try {
    const first = new Uint8Array(HEAD_BYTES);
    if (readSync(fd, first) === HEAD_BYTES && readHead(first)) return;
  } finally {
    closeSync(fd);
  }
  throw new UsageError(`--trace-file ${path}: it is there, and no trace: remove it, or give another name`);
}
