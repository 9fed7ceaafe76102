/** What can be said over a machine's control socket: methods with their parameters and results, and events. */
import { RPC, RpcError } from './rpc.ts';

/** Bytes of a request line, its newline not counted. */
export const MAX_REQUEST_BYTES = 65_536;

/** A checkpoint in a status or an event. Times in ISO 8601, pause in microseconds. */
export interface CheckpointSummary {
  readonly digest: string;
  readonly time: string;
  readonly label?: string;
  readonly tags?: readonly string[];
  readonly stats: Readonly<Record<string, number>>;
}

/** What `status` answers. Memory in bytes. */
export interface MachineStatus {
  readonly name: string;
  readonly pid: number;
  readonly state: MachineState;
  /** The image it was booted from, as far as known. */
  readonly guest?: string;
  readonly cpus: number;
  readonly memory: number;
  readonly started: string;
  readonly uptimeMs: number;
  readonly store?: string;
  /** A checkpoint is being taken or written. */
  readonly checkpointing: boolean;
  readonly lastCheckpoint?: CheckpointSummary;
  /** Where a rollback goes that names no checkpoint: the one it took, was restored from or was rolled back to last. */
  readonly base?: CheckpointSummary;
}

/** `ending`: the guest has ended, the process not yet. */
export type MachineState = 'running' | 'paused' | 'ending';

/** What `rollback` answers. `ms`: how long the machine stood. */
export interface RollbackSummary {
  readonly digest: string;
  readonly pages: number;
  readonly ms: number;
}

/** How a machine ended: the run's reason, and the exit status of its process. */
export interface EndSummary {
  readonly reason: string;
  readonly exitStatus: number;
}

/** Particulars of each kind of event. `data` of output has one character for each byte. */
export interface EventData {
  readonly output: { readonly data: string };
  readonly checkpoint: CheckpointSummary;
  /** A checkpoint is being written: bytes so far, and in all. */
  readonly progress: { readonly done: number; readonly total: number };
  readonly rollback: RollbackSummary;
  readonly pause: Readonly<Record<never, never>>;
  readonly resume: Readonly<Record<never, never>>;
  readonly end: EndSummary;
}

export type EventName = keyof EventData;

/** An event as subscribers get it: the params of a notification "event". */
export type MachineEvent = {
  [Name in EventName]: { readonly event: Name; readonly time: string } & EventData[Name];
}[EventName];

/** Every kind of event. */
export const EVENTS: readonly EventName[] = ['output', 'progress', 'checkpoint', 'rollback', 'pause', 'resume', 'end'];

/** Every method: its parameters, by name, and its result. */
export interface Methods {
  readonly status: { readonly params: object; readonly result: MachineStatus };
  readonly pause: { readonly params: object; readonly result: MachineStatus };
  readonly resume: { readonly params: object; readonly result: MachineStatus };
  readonly checkpoint: {
    readonly params: { readonly label?: string; readonly tags?: readonly string[] };
    readonly result: CheckpointSummary;
  };
  readonly rollback: { readonly params: { readonly ref?: string }; readonly result: RollbackSummary };
  /**
   * `limit`: ranges to list, 0 for all; `symbols`: absolute path of the file that names addresses. `data` is what
   * `vmlapse diff --json` prints, `text` what it prints without, and `page`, where wanted, what it writes for --html.
   */
  readonly diff: {
    readonly params: {
      readonly ref?: string;
      readonly limit?: number;
      readonly stat?: boolean;
      readonly colour?: boolean;
      readonly symbols?: string;
      readonly page?: boolean;
    };
    readonly result: { readonly data: unknown; readonly text: string; readonly page?: string };
  };
  readonly stop: { readonly params: object; readonly result: { readonly stopping: true } };
  /** `data` has one character for each byte; `taken` is how many the guest's queue had room for. */
  readonly input: { readonly params: { readonly data: string }; readonly result: { readonly taken: number } };
  readonly subscribe: {
    readonly params: { readonly events?: readonly EventName[] };
    readonly result: { readonly events: readonly EventName[] };
  };
}

export type MethodName = keyof Methods;

/** Says what is wrong with a value, or nothing. */
type Check = (value: unknown) => string | undefined;

const text =
  (most: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= most ? undefined : `must be a string of at most ${most} characters`;

const bytes: Check = (value) =>
  typeof value === 'string' && /^[\x00-\xff]*$/.test(value) ? undefined : 'must be a string of characters up to U+00FF';

const count: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number';

const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

const list =
  (most: number, each: Check): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > most) return `must be an array of at most ${most}`;
    const wrong = value.map(each).find((problem) => problem !== undefined);
    return wrong && `has an element that ${wrong}`;
  };

const oneOf =
  (names: readonly string[]): Check =>
  (value) =>
    names.includes(value as string) ? undefined : `must be one of ${names.join(', ')}`;

interface Parameter {
  readonly check: Check;
  readonly required?: true;
}

const TAGS = 16;
const TAG_LENGTH = 128;
const LABEL_LENGTH = 256;
const REF_LENGTH = 256;
const PATH_LENGTH = 4096;

const PARAMETERS: { readonly [Name in MethodName]: Readonly<Record<string, Parameter>> } = {
  status: {},
  pause: {},
  resume: {},
  checkpoint: { label: { check: text(LABEL_LENGTH) }, tags: { check: list(TAGS, text(TAG_LENGTH)) } },
  rollback: { ref: { check: text(REF_LENGTH) } },
  diff: {
    ref: { check: text(REF_LENGTH) },
    limit: { check: count },
    stat: { check: flag },
    colour: { check: flag },
    symbols: { check: text(PATH_LENGTH) },
    page: { check: flag },
  },
  stop: {},
  input: { data: { check: bytes, required: true } },
  subscribe: { events: { check: list(2 * EVENTS.length, oneOf(EVENTS)) } },
};

/** The method of that name. Throws RpcError METHOD_NOT_FOUND. */
export function methodNamed(name: string): MethodName {
  if (Object.hasOwn(PARAMETERS, name)) return name as MethodName;
  const known = Object.keys(PARAMETERS).join(', ');
  throw new RpcError(RPC.METHOD_NOT_FOUND, `no method ${JSON.stringify(name.slice(0, 40))}; there are ${known}`);
}

/** Throws RpcError INVALID_PARAMS, naming the parameter. */
export function checkParams(method: MethodName, params: Readonly<Record<string, unknown>>): void {
  const table = PARAMETERS[method];
  const problem = (what: string) => new RpcError(RPC.INVALID_PARAMS, `${method}: ${what}`);
  for (const [name, value] of Object.entries(params)) {
    if (!Object.hasOwn(table, name)) throw problem(`no parameter ${JSON.stringify(name.slice(0, 40))}`);
    const wrong = table[name]!.check(value);
    if (wrong) throw problem(`${name} ${wrong}`);
  }
  for (const [name, { required }] of Object.entries(table)) {
    if (required && !Object.hasOwn(params, name)) throw problem(`${name} is missing`);
  }
}
