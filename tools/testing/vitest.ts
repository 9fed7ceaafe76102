/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
/** `import … from 'vmlapse/vitest'`: fixtures and matchers for tests of guests with vitest. */
import '../../src/errors.ts'; // first: it defines Symbol.dispose where that is missing

import { expect, test } from 'vitest';
import { type GuestMatchers, guestMatchers } from './matchers.ts';
import type { GuestTestOptions } from './options.ts';
import { bootGuests } from './source.ts';

export { Guest, type GuestRegister, type GuestRegisters, type GuestScreen } from './guest.ts';
export { type GuestMatchers, guestMatchers } from './matchers.ts';
export type { MemoryPiece, NamedMemory, Place } from './named-memory.ts';
export type { GuestRunOptions, GuestTestOptions, Isolation, Until } from './options.ts';
export type { BlamedWrite, RecordedRun } from './recorded-run.ts';
export { bootGuests, type GuestSource } from './source.ts';

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: a merged interface repeats the type parameters of the first one.
  interface Matchers<T = any> extends GuestMatchers<T> {}
}

expect.extend(guestMatchers);

/**
 * A `test` whose function is given `guest`: booted once for the file that uses it, when the first test asks, and for
 * each test as it was then; with `record`, it is booted anew for each test. What was booted is released after the file's last test. Call it at the top level of a file.
 */
export function guestTest(options: GuestTestOptions) {
  return (
    test
      // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures used from the pattern.
      .extend('guests', { scope: 'file' }, ({}, { onCleanup }) => {
        const guests = bootGuests(options);
        onCleanup(() => guests[Symbol.dispose]());
        return guests;
      })
      .extend('guest', ({ guests }, { onCleanup }) => {
        const guest = guests.take();
        onCleanup(() => guests.giveBack(guest));
        return guest;
      })
  );
}
