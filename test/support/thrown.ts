import { expect } from 'vitest';

type Class<T> = abstract new (...args: never[]) => T;

/** Calls `action` and returns what it throws, which must be of class `type`. */
export function thrown<T>(type: Class<T>, action: () => unknown): T {
  let error: unknown;
  let returned = false;
  try {
    action();
    returned = true;
  } catch (e) {
    error = e;
  }
  expect(returned, `a ${type.name} was expected`).toBe(false);
  expect(error).toBeInstanceOf(type);
  return error as T;
}
