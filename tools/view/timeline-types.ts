/** What a page of `vmlapse view` holds, as JSON. Written by timeline.ts, read by page/: both sides import these types. */

/** Everything. Moments are in the order in which they were taken; no parent comes after its child. */
export interface Timeline {
  /** The store, as the user named it. */
  readonly store: string;
  /** What is not in the page, a sentence each. */
  readonly left: readonly string[];
  readonly moments: readonly Moment[];
  /** Sections of state, their fields, screens and rows of screens that moments share, by their index. */
  readonly sections: readonly Section[];
  readonly fields: readonly FieldRow[];
  readonly screens: readonly ScreenShot[];
  readonly screenRows: readonly (readonly Run[])[];
  readonly guests: readonly Guest[];
  /** The pages of the memory map, as runs of first page number and count; an index into all of them is a cell. */
  readonly cells: readonly number[];
  /** Contents of pages in the other block: a version N has its bytes from (N - 1) * 4096 on. */
  readonly versions: number;
}

export interface Guest {
  /** The image, and its format; absent where that is not known. */
  readonly path?: string;
  readonly format?: string;
  /** Ascending by address. */
  readonly symbols: readonly SymbolRow[];
}

/** Guest-physical address, bytes (0 where unknown), name, section. */
export type SymbolRow = readonly [gpa: number, size: number, name: string, section: string];

/** One part of a machine's state: name, value, and what that means; see `snapshot/show`. */
export interface Section {
  readonly path: string;
  readonly title: string;
  /** Runs of indexes into the fields of the timeline: first and count, one after the other. */
  readonly fields: readonly number[];
}
export type FieldRow = readonly [name: string, value: string, meaning?: string];

/** Text, front and back colour. */
export type Run = readonly [text: string, front: string, back: string];

export interface ScreenShot {
  readonly columns: number;
  readonly graphics: boolean;
  /** Indexes into `screenRows`, without the empty ones at the end. */
  readonly rows: readonly number[];
}

/** A checkpoint. What could not be read is absent, and `problem` says why. */
export interface Moment {
  readonly digest: string;
  /** Index of the moment before it; absent for a first one, or where that is not in the page. */
  readonly parent?: number;
  /** It has a parent that is not in the page. */
  readonly cut?: true;
  readonly lane: number;
  readonly tags: readonly string[];
  readonly label?: string;
  readonly time: string;
  readonly pages: number;
  readonly bytes: number;
  readonly pauseUs?: number;
  readonly problem?: string;
  readonly guest?: number;
  /** "16 MiB of RAM, 1 vCPU, …": where it was taken. */
  readonly machine?: readonly (readonly [name: string, value: string])[];
  readonly notes?: readonly string[];
  readonly sections?: readonly number[];
  /** Of each vCPU. */
  readonly code?: readonly Code[];
  readonly screen?: number;
  readonly memory?: MemoryAt;
  readonly changes?: Changes;
  /** Since the parent, by the recording: absent where there is none. */
  readonly recorded?: Recorded;
  /** One step back and forward, where that was asked for and the run was recorded. */
  readonly steps?: Steps;
  /** What a running machine has printed since the parent; absent where that is not known. */
  readonly printed?: string;
}

/** Runs of cells: first and count, one after the other. Against the parent; where that is absent, against zeros. */
export interface MemoryAt {
  readonly changed: readonly number[];
  /** Those of them that are zero now. */
  readonly zero: readonly number[];
  /** Cell and version, for those whose bytes are in the page. */
  readonly versions: readonly number[];
}

/** Code from RIP on. */
export interface Code {
  /** "long mode, 64-bit code, ring 0". */
  readonly mode: string;
  readonly at?: string;
  readonly lines: readonly CodeRow[];
  /** Why there are no lines. */
  readonly why?: string;
}
export type CodeRow = readonly [address: string, bytes: string, text: string];

/** What changed in memory since the parent, by name. */
export interface Changes {
  readonly bytes: number;
  /** Most bytes first: name, section, pages, bytes. */
  readonly places: readonly (readonly [name: string, section: string, pages: number, bytes: number])[];
  /** Places left out. */
  readonly more: number;
  /** Variables of up to eight bytes: name, before, after. */
  readonly values: readonly (readonly [name: string, before: string, after: string])[];
  /** Who wrote pieces of it last, where that was asked for. */
  readonly writers?: readonly Writer[];
  /** Why that is not known, though it was asked for. */
  readonly unblamed?: string;
}

/** The name of a place, a piece of it, and who wrote that last, in words. */
export type Writer = readonly [name: string, gpa: number, length: number, who: string];

export interface Recorded {
  /** Exits by kind, or by port: most first. */
  readonly exits: readonly (readonly [kind: string, count: number])[];
  /** What the guest wrote to its first serial port. */
  readonly serial: string;
}

/** What differs one step before a moment of a recording, and one step after it; or why there is no such step. */
export interface Steps {
  readonly back: StepEnd | NoStep;
  readonly forward: StepEnd | NoStep;
}

export interface NoStep {
  readonly why: string;
}

/** The end of a step that is not the moment. What is not here is as at the moment. */
export interface StepEnd {
  /** "111+40": exits of the guest since the recording began, and steps since the last of them. */
  readonly position: string;
  /** Of vCPU 0: path of the section, then the field as it is there. */
  readonly fields: readonly (readonly [path: string, ...field: FieldRow])[];
  /** Code from RIP there on. */
  readonly code: Code;
  /** Pieces of memory that differ: name, address, bytes at the moment and bytes there, in hex. */
  readonly memory: readonly (readonly [name: string, gpa: number, moment: string, there: string])[];
  /** Bytes of memory that differ, and whether not all of them are listed. */
  readonly bytes: number;
  readonly isCut?: true;
  /** The exit that the step makes. */
  readonly exit?: string;
}
