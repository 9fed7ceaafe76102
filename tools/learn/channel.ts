/**
 * The lines by which the probe in a learner's program tells what happens: JSON, with bigints as digits behind a zero character.
 * Each has a seal before it, by a key that only the check and the probe have, and by its place: the program can write to the
 * channel, too, and a line of its own, one that is repeated, or one that is missing is noticed.
 */
import { createHmac } from 'node:crypto';
import type { Call, Log, Observation, Run, Unrecorded } from '../../exercises/exercise.ts';

/** Descriptor of the channel in the learner's process. */
export const CHANNEL_FD = 3;

/** Length of the key in bytes. It lies in the channel's file; the probe takes it out before the program is loaded. */
export const KEY_BYTES = 32;

/** Environment variable that carries a {@link ProbeOrder}. */
export const ORDER_VARIABLE = 'VMLAPSE_LEARN_PROBE';

/** What the probe is to do. */
export interface ProbeOrder {
  readonly parent: number;
  /** File of the recording that answers instead of /dev/kvm. */
  readonly recording?: string | undefined;
  readonly look: readonly { readonly base: number; readonly length: number }[];
}

/** One line. */
export type Told =
  | { readonly call: Call }
  | { readonly run: Run }
  | { readonly given: string }
  | { readonly log: Log }
  | { readonly unrecorded: Unrecorded }
  | { readonly threw: NonNullable<Observation['threw']> }
  | { readonly end: { readonly memory: Observation['memory']; readonly dropped: number } };

const MARK = '\0';
const BIGINT = /^\0-?\d+$/;

const sealOf = (key: Uint8Array, place: number, line: string): string =>
  createHmac('sha256', key).update(`${place} ${line}`).digest('base64url');

/** The line of that place, with its seal and its end. */
export function sealed(key: Uint8Array, place: number, told: Told): string {
  const line = encode(told);
  return `${sealOf(key, place, line)} ${line}\n`;
}

/** What a channel's text tells; undefined: not all of it is from the probe. The last line may be cut off. */
export function unsealed(key: Uint8Array, text: string): Told[] | undefined {
  const lines = text.split('\n').slice(0, -1);
  const told = lines.map((sealedLine, place) => {
    const at = sealedLine.indexOf(' ');
    const line = sealedLine.slice(at + 1);
    return sealedLine.slice(0, at) === sealOf(key, place, line) ? decode(line) : undefined;
  });
  return told.includes(undefined) ? undefined : (told as Told[]);
}

const encode = (told: Told): string =>
  JSON.stringify(told, (_, value) => (typeof value === 'bigint' ? `${MARK}${value}` : value));

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Undefined for what is none: the program may have changed functions that the probe uses. */
function decode(line: string): Told | undefined {
  try {
    const value: unknown = JSON.parse(line, (_, value) =>
      typeof value === 'string' && BIGINT.test(value) ? BigInt(value.slice(1)) : value,
    );
    return isObject(value) &&
      Object.entries(value).every(([what, one]) => (what === 'given' ? typeof one === 'string' : isObject(one)))
      ? (value as Told)
      : undefined;
  } catch {
    return undefined;
  }
}
