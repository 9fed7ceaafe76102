/** Suites that need KVM: skipped visibly where there is none, or failed when the environment promises one. */
import { accessSync, constants } from 'node:fs';
import { describe } from 'vitest';
import { errnoName } from '../../src/errors.ts';

const reason = whyNoKvm();

/** Like `describe`. Without a usable /dev/kvm it skips, says why, and with REQUIRE_KVM=1 throws. */
export const describeKvm: (name: string, suite: () => void) => void = (name, suite) => {
  if (reason === undefined) return void describe(name, suite);
  if (process.env.REQUIRE_KVM === '1') throw new Error(`REQUIRE_KVM=1, but ${reason}`);
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skip(name, suite);
};

function whyNoKvm(): string | undefined {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).errno ?? 0;
    return `/dev/kvm cannot be opened (${errnoName(-errno)})`;
  }
}
