/** The timeline as the page asks for it: state, memory and text of a moment, and what differs between two. */
import type { FieldRow, Moment, Section, StepEnd, SymbolRow, Timeline } from '../timeline-types.ts';

export const PAGE_SIZE = 4096;

/** Content of a cell: a version, or one of these. */
export const ZERO = 0;
export const NOT_HERE = -1;

/** A field, and its value at the other moment where that differs. */
export interface ShownField {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
  /** Absent: the same. */
  readonly before?: string;
  /** The other moment comes later. */
  readonly isEarlier?: true;
}

/** A step away from the moment. */
export interface ShownStep {
  readonly side: 'back' | 'forward';
  readonly end: StepEnd;
}

/** What every card gets: the moment, and the one that it is compared with. */
export interface View {
  readonly model: Model;
  readonly now: number;
  /** The pinned moment, or else the parent; absent for a first moment. */
  readonly base: number | undefined;
  /** Registers and code are shown there, against the moment. */
  readonly step?: ShownStep;
}

/** What the cells are at a moment. */
interface Decoded {
  /** For each cell: its version, {@link ZERO} or {@link NOT_HERE}. */
  readonly contents: Int32Array;
  /** For each cell: how many moments on the path to this one changed it, without the first. */
  readonly often: Uint16Array;
}

/** Numbers of decoded moments that are kept, for all of them together. */
const MOST_NUMBERS = 8_000_000;
/** Of the moments on the way to one, each of these is kept: from there the next is soon found. */
const STRIDE = 32;

/** See the file's header. Memory of moments is found when it is asked for; those asked for last are kept. */
export class Model {
  readonly timeline: Timeline;
  /** Address of each cell's page. */
  readonly cells: readonly number[];
  readonly #bytes: Uint8Array | undefined;
  /** By moment; used last comes last. */
  readonly #decoded = new Map<number, Decoded>();

  /** `bytes`: the versions of pages, one behind the other; undefined while they are being unpacked. */
  constructor(timeline: Timeline, bytes: Uint8Array | undefined) {
    this.timeline = timeline;
    this.#bytes = bytes;
    const cells: number[] = [];
    eachInRuns(timeline.cells, (page) => cells.push(page * PAGE_SIZE));
    this.cells = cells;
  }

  /** The bytes of pages can be asked for. */
  get isUnpacked(): boolean {
    return this.#bytes !== undefined;
  }

  get moments(): readonly Moment[] {
    return this.timeline.moments;
  }

  /** A moment by its index, which is one of the timeline. */
  at(index: number): Moment {
    return this.timeline.moments[index]!;
  }

  sections(index: number): readonly Section[] {
    return (this.at(index).sections ?? []).map((section) => this.timeline.sections[section]!);
  }

  section(index: number, path: string): Section | undefined {
    return this.sections(index).find((section) => section.path === path);
  }

  #rows(index: number, path: string): FieldRow[] {
    const rows: FieldRow[] = [];
    eachInRuns(this.section(index, path)?.fields ?? [], (field) => rows.push(this.timeline.fields[field]!));
    return rows;
  }

  /** The fields of a part, each with its value at `other` where that differs. */
  fields(index: number, other: number | undefined, path: string): ShownField[] {
    const before = new Map<string, FieldRow>();
    if (other !== undefined) for (const row of this.#rows(other, path)) before.set(row[0], row);
    return this.#rows(index, path).map(([name, value, meaning = '']) => {
      const old = other === undefined ? value : (before.get(name)?.[1] ?? 'absent');
      return { name, value, meaning, ...(old !== value && { before: old }) };
    });
  }

  /** The fields of a part as a view shows them: of its moment, or of the step away from it. */
  shownFields({ now, base, step }: View, path: string): ShownField[] {
    if (!step) return this.fields(now, base, path);
    const there = new Map(step.end.fields.filter(([of]) => of === path).map(([, ...row]) => [row[0], row]));
    return this.fields(now, undefined, path).map((field) => {
      const row = there.get(field.name);
      if (!row) return field;
      const [name, value, meaning = ''] = row;
      return { name, value, meaning, before: field.value, ...(step.side === 'back' && { isEarlier: true }) };
    });
  }

  /** Sections that differ between two moments, by path. */
  changedPaths(index: number, other: number | undefined): ReadonlySet<string> {
    if (other === undefined) return new Set();
    const here = this.at(index).sections ?? [];
    const there = new Set(this.at(other).sections ?? []);
    return new Set(
      here.filter((section) => !there.has(section)).map((section) => this.timeline.sections[section]!.path),
    );
  }

  /** The moments from the first one to this, along its parents. */
  path(index: number): number[] {
    const path: number[] = [];
    for (let at: number | undefined = index; at !== undefined; at = this.at(at).parent) path.push(at);
    return path.reverse();
  }

  /** For each cell: its version, ZERO or NOT_HERE. */
  contents(index: number): Int32Array {
    return this.#decode(index).contents;
  }

  /** For each cell: how many moments on the path to this one changed it, without the first. */
  often(index: number): Uint16Array {
    return this.#decode(index).often;
  }

  #decode(index: number): Decoded {
    const known = this.#decoded.get(index);
    if (known) return this.#keep(index, known);
    const path = this.path(index);
    const from = path.findLastIndex((at) => this.#decoded.has(at));
    const base = from < 0 ? undefined : this.#decoded.get(path[from]!)!;
    const contents = base?.contents.slice() ?? new Int32Array(this.cells.length);
    const often = base?.often.slice() ?? new Uint16Array(this.cells.length);
    for (let depth = from + 1; depth < path.length; depth++) {
      const { parent, memory } = this.at(path[depth]!);
      if (memory) {
        eachInRuns(memory.changed, (cell) => (contents[cell] = NOT_HERE));
        eachInRuns(memory.zero, (cell) => (contents[cell] = ZERO));
        for (let i = 0; i < memory.versions.length; i += 2) contents[memory.versions[i]!] = memory.versions[i + 1]!;
        if (parent !== undefined) eachInRuns(memory.changed, (cell) => often[cell]!++);
      }
      if (depth % STRIDE === 0 && depth < path.length - 1)
        this.#keep(path[depth]!, { contents: contents.slice(), often: often.slice() });
    }
    return this.#keep(index, { contents, often });
  }

  #keep(index: number, decoded: Decoded): Decoded {
    this.#decoded.delete(index);
    this.#decoded.set(index, decoded);
    const most = Math.max(2, Math.floor(MOST_NUMBERS / Math.max(1, this.cells.length)));
    for (const oldest of this.#decoded.keys()) {
      if (this.#decoded.size <= most) break;
      this.#decoded.delete(oldest);
    }
    return decoded;
  }

  /** Moments whose memory is decoded now. */
  get kept(): number {
    return this.#decoded.size;
  }

  /** Cells that differ, or may: all that a moment on the way between the two has changed. */
  changedCells(index: number, other: number | undefined): Uint8Array {
    const marks = new Uint8Array(this.cells.length);
    if (other === undefined) return marks;
    const [here, there] = [this.path(index), this.path(other)];
    const onTheirs = new Set(there);
    const shared = new Set(here.filter((at) => onTheirs.has(at)));
    const [a, b] = [this.contents(index), this.contents(other)];
    if (shared.size === 0) {
      for (let cell = 0; cell < marks.length; cell++) marks[cell] = Number(a[cell] !== b[cell] || a[cell]! < 0);
      return marks;
    }
    for (const at of [...here, ...there])
      if (!shared.has(at))
        eachInRuns(
          this.at(at).memory?.changed ?? [],
          (cell) => (marks[cell] = Number(a[cell] !== b[cell] || a[cell]! < 0)),
        );
    return marks;
  }

  /** The bytes of a page at a moment; undefined where they are not in the file. */
  page(index: number, cell: number): Uint8Array | undefined {
    const version = this.contents(index)[cell]!;
    if (version === ZERO) return new Uint8Array(PAGE_SIZE);
    if (version === NOT_HERE || !this.#bytes || version * PAGE_SIZE > this.#bytes.length) return undefined;
    return this.#bytes.subarray((version - 1) * PAGE_SIZE, version * PAGE_SIZE);
  }

  /** Symbols of the moment's guest, ascending by address. */
  symbols(index: number): readonly SymbolRow[] {
    const { guest } = this.at(index);
    return guest === undefined ? [] : this.timeline.guests[guest]!.symbols;
  }

  /** What was printed up to a moment, and from where on it is new; undefined where that is not known. */
  serial(index: number): { readonly text: string; readonly newFrom: number } | undefined {
    const path = this.path(index);
    const texts = path.map((at) => this.at(at).recorded?.serial ?? this.at(at).printed);
    const parts = texts.slice(texts.lastIndexOf(undefined) + 1) as string[];
    if (parts.length === 0) return undefined;
    const text = parts.join('');
    return { text, newFrom: text.length - parts.at(-1)!.length };
  }
}

/** Calls `visit` for each number in runs of first and count. */
function eachInRuns(runs: readonly number[], visit: (number: number) => void): void {
  for (let i = 0; i < runs.length; i += 2) for (let at = runs[i]!, end = at + runs[i + 1]!; at < end; at++) visit(at);
}
