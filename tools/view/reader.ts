/** Reads checkpoints one by one into drafts of moments; what they share goes into pools. */
import { EXITS_STAT } from '../../debug/recording/recorder.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import { type Digest, problemOf } from '../../snapshot/store/format/digest.ts';
import type { LogEntry } from '../../snapshot/store/history/history.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { VmlapseError } from '../../src/errors.ts';
import type { Blamer } from './blame.ts';
import { type ChangedPages, changedPages } from './memory.ts';
import { changesSince, type GuestNames, namesOf, type Symbols, type SymbolsOf } from './names.ts';
import { counted, printable } from './parts/format.ts';
import { Pool, runsOf } from './pool.ts';
import { recordedSince } from './recorded.ts';
import { type Describe, type Pools, stateOf } from './state.ts';
import type { StepFinder } from './steps.ts';
import type { Guest, Moment } from './timeline-types.ts';

/** A moment that is being made. */
export interface Draft {
  readonly entry: LogEntry;
  readonly moment: Partial<Moment>;
  readonly pages: ChangedPages;
}

/** Characters of the data without contents of pages. */
const MOST_JSON = 1_500_000;
/** Pages that are compared byte by byte at most, to say what changed by name. */
const MOST_COMPARED = 20_000;

const NO_PAGES: ChangedPages = { changed: [], zero: new Set() };

/** What is wrong with a checkpoint, in words. Throws what is no such error. */
export function reasonOf(error: unknown): string {
  if (error instanceof VmlapseError) return printable(problemOf(error));
  throw error;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What is known of a guest by its image. */
interface Known {
  readonly index: number;
  readonly symbols: Symbols;
  readonly names: GuestNames;
}

/** What is found by running recordings again; without them, the page has nothing of it. */
export interface ReplayedParts {
  readonly blamer?: Blamer;
  readonly stepper?: StepFinder;
}

/** Takes checkpoints newest first: names of a guest are those of its newest checkpoint. */
export class Reader {
  readonly #store: Store;
  readonly #symbolsOf: SymbolsOf;
  readonly #replay: ReplayedParts;
  readonly pools: Pools = { sections: new Pool(), fields: new Pool(), screens: new Pool(), screenRows: new Pool() };
  readonly guests: Guest[] = [];
  readonly #known = new Map<string, Known>();
  readonly #nameless: string[] = [];
  /** What was read before, by digest. */
  readonly #read = new Map<Digest, Draft>();
  /** Pages compared by this call of {@link read}. */
  #compared = 0;
  #isComplete = true;

  constructor(store: Store, symbolsOf: SymbolsOf, replay: ReplayedParts = {}) {
    this.#replay = replay;
    this.#store = store;
    this.#symbolsOf = symbolsOf;
  }

  /** It holds so much that another one should take over. */
  get isFull(): boolean {
    return this.#shared > MOST_JSON / 2;
  }

  get #shared(): number {
    return Object.values(this.pools).reduce((sum, pool) => sum + pool.size, 0);
  }

  /** As many as there is room for. */
  read(entries: readonly LogEntry[]): Draft[] {
    const inPage = new Set(entries.map(({ digest }) => digest));
    this.#compared = 0;
    const drafts: Draft[] = [];
    let size = 0;
    for (const entry of entries) {
      const draft = this.#draft(entry, inPage);
      size +=
        JSON.stringify([draft.moment, entry.tags, entry.label]).length + 10 * runsOf(draft.pages.changed).length + 300;
      if (drafts.length > 0 && size + this.#shared > MOST_JSON) break;
      drafts.push(draft);
    }
    // One whose parent is left out has all its memory, not only what it changed.
    const kept = new Set(drafts.map(({ entry }) => entry.digest));
    return drafts.map((draft) => {
      const { parent } = draft.entry;
      const lost = parent && !draft.moment.cut && inPage.has(parent) && !kept.has(parent);
      return lost ? this.#draft(draft.entry, kept) : draft;
    });
  }

  #draft(entry: LogEntry, inPage: ReadonlySet<Digest>): Draft {
    const known = this.#read.get(entry.digest);
    const isCut = entry.parent !== undefined && !inPage.has(entry.parent);
    if (known && (known.moment.cut === true) === isCut) return { ...known, entry };
    const draft = this.#fresh(entry, inPage);
    if (draft.moment.problem === undefined) this.#read.set(entry.digest, draft);
    return draft;
  }

  #fresh(entry: LogEntry, inPage: ReadonlySet<Digest>): Draft {
    try {
      using checkpoint = this.#store.open(entry.digest);
      const parent = entry.parent && inPage.has(entry.parent) ? this.#openIfSound(entry.parent) : undefined;
      try {
        return this.#parts(entry, checkpoint, parent);
      } finally {
        parent?.[Symbol.dispose]();
      }
    } catch (error) {
      return { entry, moment: { problem: reasonOf(error) }, pages: NO_PAGES };
    }
  }

  #openIfSound(digest: Digest): Checkpoint | undefined {
    try {
      const checkpoint = this.#store.open(digest);
      decodeState(checkpoint.config);
      return checkpoint;
    } catch (error) {
      reasonOf(error);
      return undefined;
    }
  }

  #parts(entry: LogEntry, checkpoint: Checkpoint, parent: Checkpoint | undefined): Draft {
    const { index, symbols, names } = this.#guestOf(checkpoint);
    const pages = changedPages(checkpoint, parent);
    const describe: Describe = (linear) => symbols.describe(linear);
    const moment: Writable<Partial<Moment>> = {
      ...stateOf(checkpoint, describe, this.pools),
      guest: index,
      ...(!parent && entry.parent && { cut: true as const }),
    };
    this.#try(moment, 'what was recorded', () => {
      const recorded = recordedSince(this.#store, entry.digest);
      if (recorded) moment.recorded = recorded;
    });
    const { blamer, stepper } = this.#replay;
    if (entry.stats[EXITS_STAT] !== undefined && stepper)
      moment.steps = stepper.steps(checkpoint, { describe, places: names.places });
    this.#compared += pages.changed.length;
    if (this.#compared > MOST_COMPARED) this.#isComplete = false;
    else if (parent)
      this.#try(moment, 'its memory', () => {
        const { changes, pieces } = changesSince(parent, checkpoint, names.places);
        const blamed = moment.recorded && blamer?.blame(entry.digest, pieces, symbols);
        moment.changes = { ...changes, ...blamed };
      });
    return { entry, moment, pages };
  }

  /** Reads a part; where that is damaged, the moment says so and has the rest. */
  #try(moment: { notes?: readonly string[] }, what: string, read: () => void): void {
    try {
      read();
    } catch (error) {
      moment.notes = [...(moment.notes ?? []), `${what} cannot be read: ${reasonOf(error)}`];
    }
  }

  #guestOf(checkpoint: Checkpoint) {
    const { description } = decodeState(checkpoint.config);
    const { guest } = description;
    const key = guest ? `${guest.sha256} ${guest.load ?? ''}` : '';
    const known = this.#known.get(key);
    if (known) return known;
    const symbols = this.#symbolsOf(description);
    const names = namesOf(checkpoint, symbols);
    const image = guest && { path: printable(guest.path), format: printable(guest.format) };
    if (image && symbols.symbols.length === 0) this.#nameless.push(image.path);
    const index = this.guests.push({ ...image, symbols: names.rows }) - 1;
    const found = { index, symbols, names };
    this.#known.set(key, found);
    return found;
  }

  /** What the drafts lack, a sentence each. */
  left(): string[] {
    const said: string[] = [];
    if (!this.#isComplete) said.push('What changed by name, of the older moments: `vmlapse diff` has it.');
    for (const path of this.#nameless)
      said.push(
        `Names in ${path}: it is gone, has changed since, or has no symbols. \`--symbols\` takes them from another file.`,
      );
    const more = [...this.#known.values()].reduce((sum, { names }) => sum + names.more, 0);
    if (more > 0) said.push(`${counted(more, 'symbol')}: the page has room for the first ones.`);
    return said;
  }
}
