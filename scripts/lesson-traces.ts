/**
 * `npm run lessons`, a part: records the programs of lessons 1 to 5, for those who have no /dev/kvm. What is printed stands
 * among the ioctls. A trace is only written anew when other things happen in it than before: times differ in every run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTracer } from '../src/kvm/call.ts';
import { type TraceEvent, traceClock, traceEvent } from '../src/kvm/trace.ts';
import { entryOf } from '../tools/trace/check.ts';
import { lineOf, TEXT_LENGTH } from '../tools/trace/format.ts';
import { headerFor } from '../tools/trace/header.ts';
import { LESSON_TRACES } from '../tools/trace/lessons.ts';

const SELF = fileURLToPath(import.meta.url);
const LAST_LESSON = 5;
const LIMIT_MS = 60_000;

/** Names of the programs that are recorded: "01-open". */
export const RECORDED: readonly string[] = readdirSync(fileURLToPath(new URL('../docs/lessons', import.meta.url)))
  .filter((file) => file.endsWith('.js') && Number(file.slice(0, 2)) <= LAST_LESSON)
  .map((file) => basename(file, '.js'));

/** Where the trace of a program is kept. */
export const traceOf = (name: string): string => join(LESSON_TRACES, `${name}.jsonl`);

/** Runs a program in a process of its own; returns its trace as lines of JSON. Throws what it says when it fails. */
export function record(name: string): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [SELF, name], { encoding: 'utf8', timeout: LIMIT_MS });
  if (status !== 0) throw new Error(`lesson ${name}: ${stderr}`);
  return stdout;
}

/**
 * What happens in a trace, without what differs from run to run: times, descriptors, addresses of this process, and the
 * watchdog, which interrupts KVM_RUN after some time and looks whether the vCPU has halted.
 */
export function happenings(trace: string): string[] {
  const events = trace
    .split('\n')
    .slice(1, -2)
    .map((line) => entryOf(line) as TraceEvent);
  let looks = false;
  const happens = (event: TraceEvent) => {
    if ('text' in event) looks = false;
    else if (event.name === 'KVM_RUN') looks = event.result < 0;
    return !looks;
  };
  return events.filter(happens).map(happening);
}

function happening(event: TraceEvent): string {
  if ('text' in event) return 'prints';
  return [event.name, event.result < 0 ? event.result : '', event.note ?? ''].join(' ').trim();
}

/** The child: runs the program in this thread, and prints the trace in the end. */
async function play(name: string): Promise<void> {
  const header = headerFor(`docs/lessons/${name}.ts`, Number(name.slice(0, 2)));
  const lines = [lineOf({ ...header, origin: 0 })];
  let first: number | undefined;
  const write = process.stdout.write.bind(process.stdout);
  const add = (event: TraceEvent) => {
    first ??= event.at;
    lines.push(lineOf({ ...event, at: Math.round((event.at - first) * 10) / 10 }));
  };
  process.stdout.write = (text: string | Uint8Array) => {
    for (const line of String(text).split('\n'))
      if (line !== '') add({ at: traceClock(), who: 'main', text: `prints: ${line}`.slice(0, TEXT_LENGTH) });
    return true;
  };
  setTracer((call) => add(traceEvent(call, 'main')));
  await import(new URL(`../docs/lessons/${name}.js`, import.meta.url).href);
  setTracer(undefined);
  write(`${lines.join('')}${lineOf({ end: {} })}`);
}

function refresh(name: string): void {
  const path = traceOf(name);
  const fresh = record(name);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (before !== '' && happenings(before).join('\n') === happenings(fresh).join('\n')) return;
  mkdirSync(LESSON_TRACES, { recursive: true });
  writeFileSync(path, fresh);
}

if (process.argv[1] === SELF) {
  const [, , name] = process.argv;
  if (name !== undefined) await play(name);
  else if (existsSync('/dev/kvm')) RECORDED.forEach(refresh);
  else console.error('no /dev/kvm: the traces of the lessons stay as they are');
}
