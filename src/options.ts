/** Checks of the options that a function is given: callers in JavaScript have no compiler to tell them what is wrong. */
import { inspect } from 'node:util';
import { UsageError } from './errors.ts';

/** What an option has to be. */
export interface OptionKind {
  /** For the message, after "give". */
  readonly wanted: string;
  fits(value: unknown): boolean;
}

/** The kind of each option. Complete, so that none can be added without a check. */
export type OptionKinds<Options> = { readonly [Name in keyof Options]-?: OptionKind };

const kind = (wanted: string, fits: (value: unknown) => boolean): OptionKind => ({ wanted, fits });

/** Anything with properties, but functions. */
export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Infinity is one. */
export const MILLISECONDS = kind(
  'a number of milliseconds',
  (value) => typeof value === 'number' && !Number.isNaN(value),
);
/** Any: whoever takes it knows the range. */
export const NUMBER = kind('a number', (value) => typeof value === 'number');
/** How many of something. */
export const NATURAL = kind(
  'a whole number from 0 on',
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
);
/** A string. */
export const TEXT = kind('a text', (value) => typeof value === 'string');
/** A callback. */
export const FUNCTION = kind('a function', (value) => typeof value === 'function');
/** A switch. */
export const BOOLEAN = kind('true or false', (value) => typeof value === 'boolean');
/** Options of their own, or a list. */
export const OBJECT = kind('an object', isObject);
/** By what is used of it: one that another context or a library made is no instance of this context's class. */
export const ABORT_SIGNAL = kind(
  'the signal of an AbortController',
  (value) => isObject(value) && 'aborted' in value && 'addEventListener' in value,
);

/** One of these texts. */
export const oneOf = (...texts: readonly string[]) =>
  kind(texts.map((text) => `'${text}'`).join(' or '), (value) => texts.includes(value as string));

/** A list of which each element fits. */
export const listOf = (wanted: string, fits: (element: unknown) => boolean) =>
  kind(`a list of ${wanted}`, (value) => Array.isArray(value) && value.every(fits));

/** Throws UsageError, which names the option and what it has to be, unless `value` is undefined or fits. */
export function checkOption(name: string, value: unknown, { wanted, fits }: OptionKind): void {
  if (value === undefined || fits(value)) return;
  throw new UsageError(`option ${name} is ${shown(value)}: give ${wanted}`);
}

/** Checks every option of `options`, and that there are no others. Throws UsageError. */
export function checkOptions<Options extends object>(options: Options, kinds: OptionKinds<Options>): void {
  const names = Object.keys(kinds) as (keyof Options & string)[];
  if (!isObject(options))
    throw new UsageError(`the options are ${shown(options)}: give an object that has any of ${names.join(', ')}`);
  for (const name of names) checkOption(name, options[name], kinds[name]);
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !Object.hasOwn(kinds, name)) throw unknownOption(name, names);
}

function unknownOption(name: string, names: readonly string[]): UsageError {
  const distances = names.map((known) => [known, distance(name.toLowerCase(), known.toLowerCase())] as const);
  const [nearest, steps] = distances.reduce((best, one) => (one[1] < best[1] ? one : best));
  const cure = steps <= Math.max(1, nearest.length / 3) ? `did you mean ${nearest}?` : `there are ${names.join(', ')}`;
  return new UsageError(`there is no option ${shown(name)}: ${cure}`);
}

/** Characters to be added, left out or changed to make `b` of `a` (Levenshtein); of long texts only the beginning counts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, character] of [...a.slice(0, MOST_COMPARED)].entries()) {
    const above = row;
    row = [i + 1];
    for (let j = 0; j < b.length; j++)
      row.push(Math.min(above[j + 1]! + 1, row[j]! + 1, above[j]! + (character === b[j] ? 0 : 1)));
  }
  return row[b.length]!;
}

const MOST_COMPARED = 64;

/** A value in a message: short, on one line. */
export const shown = (value: unknown) =>
  inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 40 });
