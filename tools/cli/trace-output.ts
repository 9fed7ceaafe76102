/** A trace in the forms in which `vmlapse trace` shows it: lines, a table of counts, JSON, a page. */
import { writeSparse } from '../../snapshot/export/sparse-file.ts';
import { eventLine, type TraceEvent } from '../../src/kvm/trace.ts';
import { exitOf } from '../trace/exits.ts';
import { kindOf, sentenceOf } from '../trace/explain.ts';
import type { TraceHeader } from '../trace/format.ts';
import { tracePage } from '../trace/page/page.ts';
import { Steps } from '../trace/page/steps.ts';
import type { TraceReader } from '../trace/reader.ts';
import { Tally } from '../trace/tally.ts';
import { columns, print, toJson, writeTo } from './output.ts';
import { counted, printable, timeText } from './store/format.ts';
import { inLocale } from './terminal-text.ts';

/** Which events are wanted; undefined: all. */
export type Wanted = ((event: TraceEvent) => boolean) | undefined;

/** What was recorded, when and where. */
export function about({ what, lesson, made, kvm, linux }: TraceHeader): string {
  const where = `made on ${timeText(made)} UTC with KVM of kind ${kvm}, Linux ${linux}`;
  const of = lesson === undefined ? `a trace of: ${what}` : `a recording of lesson ${lesson}'s program, ${what}`;
  return inLocale(printable(`${of}; ${where}`));
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The wanted events, some at a time. */
async function* chosen(reader: TraceReader, wanted: Wanted): AsyncGenerator<TraceEvent[]> {
  for await (const batch of reader.batches()) yield wanted ? batch.filter(wanted) : batch;
}

const seconds = (us: number) => (us / 1e6).toFixed(6);

/** As lines. `time`: each begins with the seconds since the beginning; `explain`: a sentence below the first of each kind. */
export async function showLines(
  reader: TraceReader,
  wanted: Wanted,
  { time, explain }: { readonly time?: boolean; readonly explain?: boolean },
): Promise<void> {
  const { origin } = reader.header;
  const explained = new Set<string>();
  const line = (event: TraceEvent) => {
    const text = `${time ? `${seconds(event.at - origin)} ` : ''}${inLocale(printable(eventLine(event).slice(0, -1)))}\n`;
    const kind = kindOf(event);
    const sentence = explain && !explained.has(kind) ? sentenceOf(event) : undefined;
    if (sentence === undefined) return text;
    explained.add(kind);
    return `${text}    ${inLocale(sentence)}\n`;
  };
  for await (const events of chosen(reader, wanted)) await writeTo(process.stdout, events.map(line).join(''));
}

/** As a page in a file. Throws CheckpointError when it cannot be written. */
export async function writePage(path: string, reader: TraceReader, wanted: Wanted): Promise<void> {
  const steps = new Steps(reader.header.origin);
  for await (const events of reader.batches()) for (const event of events) steps.add(event, wanted?.(event) ?? true);
  const remarks: string[] = [];
  if (steps.leftOut > 0)
    remarks.push(
      `These are the first ${steps.steps.length} steps; ${counted(steps.leftOut, 'event')} after them are left out. Filters like --exit choose others.`,
    );
  const { ending } = reader;
  if (ending.kind !== 'whole')
    remarks.push(`The trace is ${ending.kind === 'cut' ? 'cut off' : 'damaged'} behind the last step: ${ending.why}.`);
  else if (ending.leftOut) remarks.push(`The file had no room for ${counted(ending.leftOut.events, 'more event')}.`);
  const page = tracePage(reader.header, steps, sentence(about(reader.header)), remarks);
  writeSparse(path, 0, (file) => file.write(0, Buffer.from(page)));
}

/** One document, written while it is read. */
export async function showJson(reader: TraceReader, wanted: Wanted): Promise<void> {
  const { origin, ...header } = reader.header;
  await writeTo(process.stdout, `{"trace":${toJson(header, 0)},\n"events":[`);
  let before = '\n';
  const object = (event: TraceEvent) => {
    const exit = exitOf(event);
    const text = before + toJson({ ...event, at: Math.round((event.at - origin) * 10) / 10, ...(exit && { exit }) }, 0);
    before = ',\n';
    return text;
  };
  for await (const events of chosen(reader, wanted)) await writeTo(process.stdout, events.map(object).join(''));
  await writeTo(process.stdout, `],\n"ending":${toJson(reader.ending, 0)}}\n`);
}

/** As a table, or with `json` as a document. Of all events also those that the file has only counts of. */
export async function showCounts(
  reader: TraceReader,
  wanted: Wanted,
  options: { readonly json?: boolean },
): Promise<void> {
  const tally = new Tally();
  for await (const events of chosen(reader, wanted)) for (const event of events) tally.add(event);
  const { ending } = reader;
  if (!wanted && ending.kind === 'whole' && ending.leftOut) tally.addLeftOut(ending.leftOut);
  const { origin: _, ...header } = reader.header;
  const { ioctls, exits, events } = tally;
  print(options, { trace: header, events, ioctls, exits, ending }, () => countsText(tally));
}

function countsText({ ioctls, exits }: Tally): string {
  const rows = Object.entries(ioctls);
  const all = rows.reduce((sum, [, { us }]) => sum + us, 0) || 1;
  const table = rows.map(([name, { calls, us, errors }]) => {
    const numbers = [
      `${((100 * us) / all).toFixed(1)}%`,
      seconds(us),
      (us / (calls || 1)).toFixed(1),
      calls,
      errors || '',
    ];
    return [...numbers.map(String), printable(name)];
  });
  const head = ['time', 'seconds', 'us/call', 'calls', 'errors', 'ioctl'];
  const reasons = Object.entries(exits).map(([name, n]) => [String(n), printable(name)]);
  return (
    columns(aligned([head, ...table])) +
    (reasons.length > 0 ? `\n${columns(aligned([['exits', 'of KVM_RUN'], ...reasons]))}` : '')
  );
}

/** Numbers, which are all columns but the last, to the right. */
function aligned(rows: readonly (readonly string[])[]): string[][] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => (i < row.length - 1 ? cell.padStart(widths[i]!) : cell)));
}
