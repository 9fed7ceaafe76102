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

/** Checks every option of `options`. Throws UsageError. */
export function checkOptions<Options extends object>(options: Options, kinds: OptionKinds<Options>): void {
  const names = Object.keys(kinds) as (keyof Options & string)[];
  if (!isObject(options))
    throw new UsageError(`the options are ${shown(options)}: give an object that has any of ${names.join(', ')}`);
  for (const name of names) checkOption(name, options[name], kinds[name]);
}

const shown = (value: unknown) =>
  inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 40 });
