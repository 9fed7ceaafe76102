/** The history for people: a tree, newest first, a line each. */
import type { LogEntry } from '../../../snapshot/store/history/history.ts';
import { graphRows } from '../../view/parts/graph.ts';
import { byteText, counted, pauseText, printable, short, timeText } from './format.ts';
import type { Paint } from './paint.ts';

/** A checkpoint, and for one without a parent the name of the guest that was booted. */
export type ListedEntry = LogEntry & { readonly guest?: string };

/** The line of one checkpoint, without the tree. */
export function entryText(entry: ListedEntry, paint: Paint): string {
  const { digest, tags, label, time, pages, bytes, stats, guest } = entry;
  const names = tags.length > 0 ? [paint('tag', printable(`(${tags.join(', ')})`))] : [];
  const said = label === undefined ? [] : [paint('label', printable(label))];
  const booted = guest === undefined ? [] : [printable(guest)];
  const pause = stats.pauseUs === undefined ? [] : [`pause ${pauseText(stats.pauseUs)}`];
  const numbers = [timeText(time), counted(pages, 'page'), byteText(bytes), ...pause].join(', ');
  return [paint('digest', short(digest)), ...names, ...said, paint('quiet', numbers), ...booted].join('  ');
}

/** The whole history as a tree. `beside`: what to put under a checkpoint's line, drawn to the right of the lanes. */
export function logText(
  entries: readonly ListedEntry[],
  paint: Paint,
  beside: (entry: LogEntry) => readonly string[] = () => [],
): string {
  const rows = graphRows(entries);
  const width = Math.max(0, ...rows.flatMap(({ node, after }) => [node, ...after].map((text) => text.length)));
  return entries
    .flatMap((entry, i) => {
      const { node, after } = rows[i]!;
      const goesOn = entry.parent !== undefined && !entry.parentMissing;
      const below = node.replaceAll('*', goesOn ? '|' : ' ');
      // A line that ends here is a root: what comes below it is no parent of it.
      const mark = goesOn ? node : node.replaceAll('*', 'o');
      return [
        `${mark.padEnd(width)}  ${entryText(entry, paint)}`,
        ...beside(entry).map((text) => `${below.padEnd(width)}  ${text}`),
        ...after,
      ];
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** An entry as `--json` gives it: what was measured stands beside the rest. */
export function entryData({ stats, ...entry }: ListedEntry) {
  const { pages: _pages, bytes: _bytes, pauseUs, ...others } = stats;
  return { ...entry, ...(pauseUs !== undefined && { pause: pauseUs / 1000 }), stats: others };
}
