/**
 * What a client takes for an answer: the other side may be of another version, or no vmlapse at all. Only what the
 * commands rely on is looked at.
 */
import { EVENTS, type MethodName } from './protocol.ts';

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Text that is printed as it is: without control characters. */
const plain: Check = (value) => typeof value === 'string' && !/[\x00-\x1f\x7f-\x9f]/.test(value);
const text: Check = (value) => typeof value === 'string';
const number: Check = (value) => typeof value === 'number';
const flag: Check = (value) => typeof value === 'boolean';
const listOf =
  (each: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(each);
const numbers: Check = (value) => isObject(value) && Object.values(value).every(number);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const shaped =
  (shape: Shape): Check =>
  (value) =>
    isObject(value) && Object.entries(shape).every(([field, check]) => check(value[field]));

const checkpoint = shaped({
  digest: plain,
  time: plain,
  stats: numbers,
  label: optional(text),
  tags: optional(listOf(text)),
});
const rollback = shaped({ digest: plain, pages: number, ms: number });
const status = shaped({
  name: plain,
  pid: number,
  state: plain,
  guest: optional(text),
  cpus: number,
  memory: number,
  started: plain,
  uptimeMs: number,
  store: optional(text),
  checkpointing: flag,
  lastCheckpoint: optional(checkpoint),
  base: optional(checkpoint),
});

const RESULTS: Readonly<Record<MethodName, Check>> = {
  status,
  pause: status,
  resume: status,
  checkpoint,
  rollback,
  diff: shaped({ text, page: optional(text) }),
  stop: shaped({ stopping: flag }),
  input: shaped({ taken: number }),
  subscribe: shaped({ events: listOf(plain) }),
};

/** Whether `result` is what the method answers. */
export const isResultOf = (method: MethodName, result: unknown): boolean => RESULTS[method](result);

const PARTICULARS: Readonly<Record<string, Check>> = {
  output: shaped({ data: text }),
  progress: shaped({ done: number, total: number }),
  checkpoint,
  rollback,
  end: shaped({ reason: plain, exitStatus: number }),
};

/** Whether the params of a notification are an event that this version knows. */
export function isEvent(params: unknown): boolean {
  if (!isObject(params) || !plain(params.time)) return false;
  const name = EVENTS.find((known) => known === params.event);
  return name !== undefined && (PARTICULARS[name]?.(params) ?? true);
}
