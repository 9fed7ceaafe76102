/** A store as the data of one page, bounded: what does not fit is left out, and the page says so. */
import { EXITS_STAT } from '../../debug/recording/recorder.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { cellsOf, memoryOf, type ShownMemory } from './memory.ts';
import type { SymbolsOf } from './names.ts';
import { counted, printable, short } from './parts/format.ts';
import { graphRows } from './parts/graph.ts';
import { runsOf } from './pool.ts';
import { type Draft, Reader, reasonOf } from './reader.ts';
import type { Moment, Timeline } from './timeline-types.ts';

export interface TimelineOptions {
  /** The store as the user named it. */
  readonly name: string;
  readonly symbolsOf: SymbolsOf;
  /** Most moments, the newest. */
  readonly limit: number;
  /** What a running machine has printed between a checkpoint and its parent; undefined where that is not known. */
  readonly printed?: (digest: string) => string | undefined;
  /** Most pages that are read for their contents. Default 20,000: some seconds. */
  readonly pages?: number;
}

/** What goes into the page. */
export interface TimelinePage {
  readonly timeline: Timeline;
  /** Contents of pages, compressed (raw deflate), in base64. */
  readonly bytes: string;
}

/** Characters of the contents of pages. With the other data, program and styles it is below 3 MB. */
const MOST_BYTES = 1_250_000;

/**
 * Reads the store. Throws what `Store.log` throws; a damaged checkpoint becomes a moment that says so. A `reader` of the same
 * store that is given each time reads only what is new.
 */
export function timelineOf(
  store: Store,
  { name, symbolsOf, limit, printed, pages: mostPages = 20_000 }: TimelineOptions,
  reader: Reader = new Reader(store, symbolsOf),
): TimelinePage {
  const left: string[] = [];
  const log = store.log((digest, error) => left.push(`Checkpoint ${short(digest)} is damaged: ${reasonOf(error)}`));
  const drafts = reader.read(log.slice(0, limit)).reverse();
  const older = log.length - drafts.length;
  if (older > 0)
    left.push(
      `${counted(older, 'older checkpoint')} of ${log.length}: \`--limit\` takes more, up to the size of the page.`,
    );

  const parents = parentsOf(drafts);
  const map = cellsOf(drafts.map(({ pages }, i) => ({ ...pages, isFirst: parents[i] === undefined })));
  const pages = drafts.map((draft) => draft.pages);
  const memory = memoryOf(pages, map.cells, pageReader(store, drafts), {
    characters: MOST_BYTES,
    pages: mostPages,
  });
  const moments = momentsOf(drafts, parents, memory, printed);
  const { sections, fields, screens, screenRows } = reader.pools;
  const timeline = {
    store: printable(name),
    left: [...left, ...reader.left(), ...leftOut(map.left, memory.left), ...notRecorded(drafts, moments)],
    moments,
    guests: reader.guests,
    sections: sections.values,
    fields: fields.values,
    screens: screens.values,
    screenRows: screenRows.values,
    cells: runsOf(map.cells.map((gpa) => gpa / PAGE_SIZE)),
    versions: memory.versions,
  };
  return { timeline, bytes: memory.text };
}

/** The index of each draft's parent, where that can be compared with. */
function parentsOf(drafts: readonly Draft[]): (number | undefined)[] {
  const indexOf = new Map(drafts.map(({ entry }, index) => [entry.digest, index]));
  return drafts.map(({ entry, moment }) => (entry.parent && !moment.cut ? indexOf.get(entry.parent) : undefined));
}

function momentsOf(
  drafts: readonly Draft[],
  parents: readonly (number | undefined)[],
  memory: ShownMemory,
  printedAt: TimelineOptions['printed'],
): Moment[] {
  const newestFirst = drafts.toReversed().map(({ entry }) => entry);
  const lanes = graphRows(newestFirst)
    .map(({ node }) => node.indexOf('*') / 2)
    .reverse();
  return drafts.map(({ entry, moment }, i) => {
    const { digest, tags, label, time, pages, bytes, stats } = entry;
    const parent = parents[i];
    const printed = printedAt?.(digest);
    return {
      ...{ digest, tags, time, pages, bytes, lane: lanes[i]! },
      ...(label !== undefined && { label: printable(label) }),
      ...(stats.pauseUs !== undefined && { pauseUs: stats.pauseUs }),
      ...(parent !== undefined && { parent }),
      ...(printed !== undefined && { printed }),
      ...moment,
      ...(moment.problem === undefined && { memory: memory.memory[i]! }),
    };
  });
}

/** Reads pages of a moment; of those that are damaged, undefined. */
function pageReader(store: Store, drafts: readonly Draft[]) {
  return (moment: number, gpas: readonly number[]): (Uint8Array | undefined)[] => {
    try {
      using checkpoint = store.open(drafts[moment]!.entry.digest);
      try {
        return pagesOf(checkpoint, gpas);
      } catch (error) {
        reasonOf(error);
        return gpas.map((gpa) => pageOrNone(checkpoint, gpa));
      }
    } catch (error) {
      reasonOf(error);
      return [];
    }
  };
}

function pagesOf(checkpoint: Checkpoint, gpas: readonly number[]): Uint8Array[] {
  const bytes = new Uint8Array(gpas.length * PAGE_SIZE);
  checkpoint.readPages(gpas, bytes);
  return gpas.map((_, i) => bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
}

function pageOrNone(checkpoint: Checkpoint, gpa: number): Uint8Array | undefined {
  try {
    return pagesOf(checkpoint, [gpa])[0];
  } catch (error) {
    reasonOf(error);
    return undefined;
  }
}

function leftOut(pages: number, versions: number): string[] {
  const said: string[] = [];
  if (pages > 0)
    said.push(`${counted(pages, 'page')} of memory that never changed, or rarely: the map has room for no more.`);
  if (versions > 0)
    said.push(
      `The bytes of ${counted(versions, 'page')} at the moment they were written; the map has them. \`vmlapse diff\` and \`vmlapse export\` read all.`,
    );
  return said;
}

/** What only a recording has. */
function notRecorded(drafts: readonly Draft[], moments: readonly Moment[]): string[] {
  const bare = moments.filter(
    ({ problem }, i) => drafts[i]!.entry.stats[EXITS_STAT] === undefined && problem === undefined,
  );
  if (bare.length === 0) return [];
  const isPrinted = bare.some(({ printed }) => printed !== undefined);
  const what = isPrinted ? 'Exits of runs that were not recorded, and older serial text' : WITHOUT_RECORDING;
  return [`${what}: a checkpoint does not hold them. \`vmlapse run --record\` keeps both.`];
}

const WITHOUT_RECORDING = 'Serial text and exits of runs that were not recorded';
