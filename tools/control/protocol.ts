/** Methods and events of the control socket, with their parameters and results: the table by which both sides check. */
import { RPC, RpcError } from './rpc.ts';
import {
  anything,
  bytes,
  type Check,
  count,
  flag,
  isObject,
  list,
  number,
  numbers,
  type ObjectOf,
  type Of,
  object,
  oneOf,
  optional,
  plain,
  type Shape,
  text,
} from './schema.ts';

/** Bytes of a request line, its newline not counted. */
export const MAX_REQUEST_BYTES = 65_536;

const TAGS = 16;
const TAG_LENGTH = 128;
const LABEL_LENGTH = 256;
const REF_LENGTH = 256;
const PATH_LENGTH = 4096;

/** A checkpoint in a status or an event. Times in ISO 8601, pause in microseconds. */
export type CheckpointSummary = Of<typeof checkpoint>;
const checkpoint = object({
  digest: plain,
  time: plain,
  label: optional(text()),
  tags: optional(list(text())),
  stats: numbers,
});

/** The result of `status`. */
export type MachineStatus = Of<typeof status>;
const status = object({
  name: plain,
  pid: number,
  /** `ending`: the guest has ended, the process not yet. */
  state: plain as Check<'running' | 'paused' | 'ending'>,
  /** The image it was booted from, if known. */
  guest: optional(text()),
  cpus: number,
  /** In bytes. */
  memory: number,
  started: plain,
  uptimeMs: number,
  store: optional(text()),
  /** A checkpoint is being taken or written. */
  checkpointing: flag,
  /** Of a recorded machine: the exits that are recorded so far. */
  recorded: optional(count),
  lastCheckpoint: optional(checkpoint),
  /** The default of `rollback`: the checkpoint it took, was restored from or was rolled back to last. */
  base: optional(checkpoint),
});

/** The result of `rollback`. `ms`: how long the machine was stopped. */
export type RollbackSummary = Of<typeof rollback>;
const rollback = object({ digest: plain, pages: number, ms: number });

/** How a machine ended: the run's reason, and the exit status of its process. */
export type EndSummary = Of<typeof end>;
const end = object({ reason: plain, exitStatus: number });

/** Where the machine stands after a step. */
export type StepSummary = Of<typeof step>;
const step = object({
  /** What came to pass, in words. */
  what: text(),
  vcpu: count,
  /** The next instruction: its place by name, and itself; absent when the guest has ended. */
  at: optional(text()),
  instruction: optional(text()),
  /** General registers that changed, in hexadecimal. */
  changed: list(object({ name: plain, before: plain, after: plain })),
});

/** A text screen. `cells`: code and attribute of each character, one character for each byte. */
const screen = object({
  columns: count,
  rows: count,
  cells: bytes,
  cursor: optional(object({ column: count, row: count })),
  cursorLines: list(count),
  height: count,
  blink: flag,
  /** 0xrrggbb. */
  colours: list(count),
  graphics: flag,
});

const nothing = object({});

/** Fields of each kind of event. */
const EVENT_DATA = {
  /** One character for each byte. */
  output: object({ data: text() }),
  /** Bytes of a checkpoint that are written, and in all. */
  progress: object({ done: number, total: number }),
  checkpoint,
  rollback,
  pause: nothing,
  resume: nothing,
  step,
  end,
};
export type EventData = { readonly [Name in keyof typeof EVENT_DATA]: Of<(typeof EVENT_DATA)[Name]> };
export type EventName = keyof EventData;

/** An event as subscribers get it: the params of a notification "event". */
export type MachineEvent = {
  [Name in EventName]: { readonly event: Name; readonly time: string } & EventData[Name];
}[EventName];

/** Every kind of event. */
export const EVENTS = Object.keys(EVENT_DATA) as readonly EventName[];

const METHODS = {
  status: { params: {}, result: status },
  pause: { params: {}, result: status },
  resume: { params: {}, result: status },
  checkpoint: {
    params: { label: optional(text(LABEL_LENGTH)), tags: optional(list(text(TAG_LENGTH), TAGS)) },
    result: checkpoint,
  },
  rollback: { params: { ref: optional(text(REF_LENGTH)) }, result: rollback },
  diff: {
    params: {
      ref: optional(text(REF_LENGTH)),
      /** Ranges to list, 0 for all. */
      limit: optional(count),
      stat: optional(flag),
      colour: optional(flag),
      /** The screen in ASCII alone. */
      ascii: optional(flag),
      /** Absolute path of the file that names addresses. */
      symbols: optional(text(PATH_LENGTH)),
      page: optional(flag),
    },
    /** What `vmlapse diff` prints with --json and without, and, if asked for, what it writes for --html. */
    result: object({ data: anything, text: text(), page: optional(text()) }),
  },
  gdb: {
    params: {
      /** As --listen takes it; absent: any free port of this host. */
      listen: optional(text(PATH_LENGTH)),
      /** It need not be of this host. */
      anywhere: optional(flag),
    },
    /** Where it listens: there before, if a door was open already. */
    result: object({ address: text() }),
  },
  /** Lets a vCPU run one instruction, or all of them until one has made an exit; the machine is paused then. */
  step: { params: { by: oneOf(['exit', 'instruction']), vcpu: optional(count) }, result: step },
  /**
   * What the guest has printed since `base`, the checkpoint that the machine goes on from (absent: since it was started), and
   * between checkpoints and their parents: those from number `from` on. One character for each byte, at most the last 16 KiB each.
   */
  printed: {
    params: { from: optional(count) },
    result: object({
      base: optional(plain),
      since: bytes,
      pieces: list(object({ digest: plain, data: bytes })),
      /** The next `from`. */
      next: count,
    }),
  },
  /** `powerButton`: the guest is told, and ends the machine if it likes to. */
  stop: { params: { powerButton: optional(flag) }, result: object({ stopping: flag }) },
  /** `data` has one character for each byte; `taken`: how many the guest's queue had room for. */
  input: { params: { data: bytes }, result: object({ taken: count }) },
  screen: { params: {}, result: screen },
  /** `codes`: codes of scan code set 1, one character for each byte; `taken`: how many the keyboard had room for. */
  press: { params: { codes: bytes }, result: object({ taken: count }) },
  subscribe: {
    params: { events: optional(list(oneOf(EVENTS), 2 * EVENTS.length)) },
    result: object({ events: list(plain as Check<EventName>) }),
  },
};
export type MethodName = keyof typeof METHODS;

/** Every method: its parameters, by name, and its result. */
export type Methods = {
  readonly [Name in MethodName]: {
    readonly params: ObjectOf<(typeof METHODS)[Name]['params']>;
    readonly result: Of<(typeof METHODS)[Name]['result']>;
  };
};

/** The method of that name. Throws RpcError METHOD_NOT_FOUND. */
export function methodNamed(name: string): MethodName {
  if (Object.hasOwn(METHODS, name)) return name as MethodName;
  const known = Object.keys(METHODS).join(', ');
  throw new RpcError(RPC.METHOD_NOT_FOUND, `no method ${JSON.stringify(name.slice(0, 40))}; there are ${known}`);
}

/** Throws RpcError INVALID_PARAMS, naming the parameter. */
export function checkParams(method: MethodName, params: Readonly<Record<string, unknown>>): void {
  const shape: Shape = METHODS[method].params;
  const problem = (what: string) => new RpcError(RPC.INVALID_PARAMS, `${method}: ${what}`);
  for (const [name, value] of Object.entries(params)) {
    if (!Object.hasOwn(shape, name)) throw problem(`no parameter ${JSON.stringify(name.slice(0, 40))}`);
    const wrong = shape[name]!(value);
    if (wrong) throw problem(`${name} ${wrong}`);
  }
  for (const [name, check] of Object.entries(shape)) {
    if (!('optional' in check) && !Object.hasOwn(params, name)) throw problem(`${name} is missing`);
  }
}

/** Whether `result` is a result of the method. The other side may be another version, or another program. */
export const isResultOf = (method: MethodName, result: unknown): boolean =>
  METHODS[method].result(result) === undefined;

/** Whether the params of a notification are an event that this version knows. */
export function isEvent(params: unknown): params is MachineEvent {
  if (!isObject(params) || plain(params.time) !== undefined) return false;
  const name = EVENTS.find((known) => known === params.event);
  return name !== undefined && EVENT_DATA[name](params) === undefined;
}
