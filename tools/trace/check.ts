/** What the lines of a trace's file have to be. A file may come from anywhere: what does not fit is refused. */
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { type Calls, FORMAT, type LeftOut, TEXT_LENGTH, type TraceEnd, type TraceHeader, VERSION } from './format.ts';

type Kind = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Kind>>;

const number: Kind = (value) => typeof value === 'number' && Number.isFinite(value);
const count: Kind = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** Longer ones nobody writes, and a reader may hold thousands of them. */
const text: Kind = (value) => typeof value === 'string' && value.length <= TEXT_LENGTH;
const word: Kind = (value) => typeof value === 'string' && /^\w{1,64}$/.test(value);
const maybe =
  (kind: Kind): Kind =>
  (value) =>
    value === undefined || kind(value);

const HEADER: Shape = {
  vmlapse: text,
  what: text,
  made: text,
  kvm: text,
  linux: text,
  lesson: maybe(count),
  origin: number,
};
const IOCTL: Shape = {
  ...{ at: number, us: number, who: word, fd: number, file: text, name: word },
  ...{ arg: maybe(text), result: number, note: maybe(text) },
};
const TEXT: Shape = { at: number, who: word, text };
const CALLS: Shape = { calls: count, us: number, errors: count };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** A new object with the fields of the shape, and no others; undefined where one does not fit. */
function shaped<T>(value: unknown, shape: Shape): T | undefined {
  if (!isObject(value)) return undefined;
  const fields = Object.entries(shape);
  if (!fields.every(([name, fits]) => fits(value[name]))) return undefined;
  return Object.fromEntries(
    fields.map(([name]) => [name, value[name]]).filter(([, field]) => field !== undefined),
  ) as T;
}

/** A line as JSON; undefined: it is none. */
export function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The header, "other" for one of another version, or undefined where there is none. */
export function headerOf(line: string): TraceHeader | 'other' | undefined {
  const value = parsed(line);
  if (!isObject(value) || value.format !== FORMAT) return undefined;
  if (value.version !== VERSION) return 'other';
  const rest = shaped<Omit<TraceHeader, 'format' | 'version'>>(value, HEADER);
  return rest && { format: FORMAT, version: VERSION, ...rest };
}

/** An event, the end, or undefined for what is neither. */
export function entryOf(line: string): TraceEvent | TraceEnd | undefined {
  const value = parsed(line);
  if (!isObject(value)) return undefined;
  return 'end' in value ? endOf(value.end) : shaped<TraceEvent>(value, 'text' in value ? TEXT : IOCTL);
}

function endOf(value: unknown): TraceEnd | undefined {
  if (!isObject(value)) return undefined;
  const { leftOut } = value;
  if (leftOut === undefined) return { end: {} };
  if (!isObject(leftOut) || !count(leftOut.events) || !isObject(leftOut.ioctls) || !isObject(leftOut.exits))
    return undefined;
  const ioctls = Object.entries(leftOut.ioctls).map(([name, calls]) => [name, shaped<Calls>(calls, CALLS)] as const);
  const exits = Object.entries(leftOut.exits);
  if (!ioctls.every(([, calls]) => calls) || !exits.every(([, n]) => count(n))) return undefined;
  const kept = { events: leftOut.events, ioctls: Object.fromEntries(ioctls), exits: Object.fromEntries(exits) };
  return { end: { leftOut: kept as LeftOut } };
}
