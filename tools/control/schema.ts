/** Checks of JSON values; the type of what passes follows from the check. */

/** Returns what is wrong with a value, or undefined if it is a T. */
export type Check<T> = ((value: unknown) => string | undefined) & { readonly type?: T };
type OptionalCheck<T> = Check<T> & { readonly optional: true };
/** Checks by field. */
export type Shape = Readonly<Record<string, Check<unknown>>>;

/** The type that a check lets pass. */
export type Of<C> = C extends Check<infer T> ? T : never;
type Needed<S> = { [K in keyof S]: S[K] extends { readonly optional: true } ? never : K }[keyof S];
/** The type of an object of that shape. */
export type ObjectOf<S> = { readonly [K in Needed<S>]: Of<S[K]> } & {
  readonly [K in Exclude<keyof S, Needed<S>>]?: Of<S[K]>;
};

const checked =
  <T>(passes: (value: unknown) => boolean, problem: string): Check<T> =>
  (value) =>
    passes(value) ? undefined : problem;

/** Whether a value is a JSON object. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const anything = checked<unknown>(() => true, '');
export const number = checked<number>((value) => typeof value === 'number', 'must be a number');
export const flag = checked<boolean>((value) => typeof value === 'boolean', 'must be true or false');
export const count = checked<number>((v) => Number.isSafeInteger(v) && (v as number) >= 0, 'must be a whole number');

/** Text of at most `most` UTF-16 units. */
export const text = (most = Number.POSITIVE_INFINITY) =>
  checked<string>((v) => typeof v === 'string' && v.length <= most, `must be a string of at most ${most} characters`);

/** Text without control characters: it may be printed as it is. */
export const plain = checked<string>(
  (value) => typeof value === 'string' && !/[\x00-\x1f\x7f-\x9f]/.test(value),
  'must be a string without control characters',
);

/** One character for each byte. */
export const bytes = checked<string>(
  (value) => typeof value === 'string' && /^[\x00-\xff]*$/.test(value),
  'must be a string of characters up to U+00FF',
);

export const oneOf = <T extends string>(names: readonly T[]) =>
  checked<T>((value) => names.includes(value as T), `must be one of ${names.join(', ')}`);

export const numbers = checked<Readonly<Record<string, number>>>(
  (value) => isObject(value) && Object.values(value).every((each) => typeof each === 'number'),
  'must be an object of numbers',
);

export const list =
  <T>(each: Check<T>, most = Number.POSITIVE_INFINITY): Check<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value) || value.length > most) return `must be an array of at most ${most}`;
    const wrong = value.map(each).find((problem) => problem !== undefined);
    return wrong && `has an element that ${wrong}`;
  };

/** A field that may be absent. */
export const optional = <T>(check: Check<T>): OptionalCheck<T> =>
  Object.assign((value: unknown) => (value === undefined ? undefined : check(value)), { optional: true as const });

/** An object with these fields, and maybe others. */
export const object =
  <S extends Shape>(shape: S): Check<ObjectOf<S>> =>
  (value) => {
    if (!isObject(value)) return 'must be an object';
    const wrong = Object.entries(shape).find(([name, check]) => check(value[name]) !== undefined);
    return wrong && `has a field ${wrong[0]} that ${wrong[1](value[wrong[0]])}`;
  };
