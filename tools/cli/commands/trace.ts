/** `vmlapse trace FILE`: shows a trace that `run --trace-file` recorded, or one of those that come with the lessons. */
import { createReadStream } from 'node:fs';
import { TraceError, UsageError } from '../../../src/errors.ts';
import { type FilterOptions, filterOf } from '../../trace/filter.ts';
import { lessonTrace } from '../../trace/lessons.ts';
import { TraceReader } from '../../trace/reader.ts';
import { type CommandRow, JSON_OPTION } from '../command.ts';
import { printLine } from '../output.ts';
import { parseCount, parseOutputFile } from '../parse.ts';
import { EXIT } from '../run-end.ts';
import { counted } from '../store/format.ts';
import { about, showCounts, showJson, showLines, writePage } from '../trace-output.ts';

interface TraceOptions extends FilterOptions {
  readonly lesson?: number;
  readonly count?: boolean;
  readonly time?: boolean;
  readonly explain?: boolean;
  readonly html?: string;
  readonly json?: boolean;
}

export const TRACE: CommandRow = {
  name: 'trace',
  about: 'show a recorded trace: every ioctl of a run, or a table of them',
  arguments: { '[file]': 'a trace, as run --trace-file writes it; - is standard input' },
  options: [
    ['--lesson <n>', "the trace of a lesson's program, which comes with vmlapse: no /dev/kvm is needed", parseCount],
    ['--only <ioctls>', 'only these: KVM_RUN,KVM_SET_REGS'],
    ['--exit <reasons>', 'only KVM_RUNs that came back for these reasons: IO,MMIO'],
    ['--thread <names>', 'only those of these threads: main, vcpu0'],
    ['--count', 'instead, a table: calls, errors and time of each ioctl, and the exits by reason'],
    ['--time', 'begin each line with the time since the beginning, in seconds'],
    ['--explain', 'below the first line of each kind, say what it means'],
    ['--html <file>', 'write a page in which one steps through the life of the machine', parseOutputFile],
    JSON_OPTION,
  ],
  help: `Examples:
  vmlapse run --trace-file hello.trace guests/build/hello-long.elf
  vmlapse trace hello.trace
  vmlapse trace --count hello.trace
  vmlapse trace --exit IO,MMIO --time hello.trace
  vmlapse trace --lesson 4 --explain
  vmlapse trace --lesson 4 --html exits.html
  vmlapse trace hello.trace --json | jq '.events[] | select(.exit.reason == "IO") | .exit.data'

A trace that was cut off is shown up to the cut, which is said; the status is 1 only for one that is damaged.`,
  async run(file: string | undefined, options: TraceOptions) {
    process.exitCode = await trace(file, options);
  },
};

async function trace(file: string | undefined, options: TraceOptions): Promise<number> {
  const wanted = filterOf(options);
  for (const [how, about] of Object.entries(WITHOUT_LINES))
    for (const option of about)
      if (options[how as 'count'] && options[option])
        throw new UsageError(`--${option} does not go with --${how}: leave one of them out`);
  const reader = await openTrace(file, options.lesson);
  if (!options.json && options.html === undefined) printLine(`vmlapse: ${about(reader.header)}`);
  if (options.html !== undefined) await writePage(options.html, reader, wanted);
  else if (options.count) await showCounts(reader, wanted, options);
  else if (options.json) await showJson(reader, wanted);
  else await showLines(reader, wanted, options);
  return report(reader, options, wanted !== undefined);
}

/** What prints no lines, and what is about lines, or is another way to show it. */
const WITHOUT_LINES = {
  html: ['count', 'json', 'time', 'explain'],
  count: ['time', 'explain'],
  json: ['time', 'explain'],
} as const;

/** Throws UsageError and TraceError. */
async function openTrace(file: string | undefined, lesson: number | undefined): Promise<TraceReader> {
  if ((file === undefined) === (lesson === undefined))
    throw new UsageError('give the file of a trace, or --lesson N for one that comes with vmlapse');
  if (file === '-') return TraceReader.open(process.stdin, 'standard input');
  const path = file ?? lessonTrace(lesson!);
  return TraceReader.open(readable(path), path);
}

async function* readable(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw new TraceError('TRACE_FILE', `cannot read ${path}: ${(error as Error).message}`);
  }
}

/** Says what the trace does not have. Returns the exit status. */
function report({ ending }: TraceReader, { count, json }: TraceOptions, filtered: boolean): number {
  if (ending.kind === 'damaged') {
    printLine(`vmlapse: the trace is damaged, and shown up to there: ${ending.why}`);
    return EXIT.FAILURE;
  }
  if (json) return EXIT.OK;
  if (ending.kind !== 'whole') printLine(`vmlapse: the trace is cut off here: ${ending.why}`);
  else if (ending.leftOut) {
    const { events } = ending.leftOut;
    const what =
      count && !filtered ? 'of which only these counts were kept' : 'which are not shown here; --count counts them';
    printLine(`vmlapse: the file had no room for ${counted(events, 'more event')}, ${what}`);
  }
  return EXIT.OK;
}
