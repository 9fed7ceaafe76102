/** Asserts that something is refused with a LoadError of a code and a message. */
import { expect } from 'vitest';
import { LoadError } from '../../src/errors.ts';

export function refused(action: () => unknown, code: string, message: RegExp): LoadError {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(LoadError);
  const error = thrown as LoadError;
  expect(error.message).toMatch(message);
  expect(error.code).toBe(code);
  return error;
}
