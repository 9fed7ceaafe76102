/**
 * Tests that need a real KVM: where there is none they are skipped, and say why; with REQUIRE_KVM=1 they fail instead.
 * The kind of KVM is part of the name, since hosts differ in what they can do.
 */
import { closeSync, openSync } from 'node:fs';
import { describe, it } from 'vitest';
import { type KvmBackend, kvmBackend } from '../../src/kvm/backend.ts';

/** Which KVM these tests run on. */
export const hostKind: KvmBackend = kvmBackend();

/** True where guest kernel code is run by KVM's instruction emulator, whatever the mode. */
export const isPvm = hostKind === 'PVM';

/** Why KVM tests cannot run here; undefined where they can. Opens the device itself, so that a defect in ours is none. */
export function kvmProblem(path = '/dev/kvm'): string | undefined {
  try {
    closeSync(openSync(path, 'r+'));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What becomes of tests that need KVM. */
export type KvmTests = 'run' | 'skip' | 'fail';

/** The decision, apart from the host it is taken on. */
export const kvmTests = (problem: string | undefined, required: boolean): KvmTests =>
  problem === undefined ? 'run' : required ? 'fail' : 'skip';

/** `describe` for tests that need a usable /dev/kvm. */
export function describeKvm(name: string, tests: () => void): void {
  const problem = kvmProblem();
  const suites: Record<KvmTests, () => void> = {
    run: () => describe(`${name} [${hostKind}]`, tests),
    skip: () => {
      console.warn(`skipped: ${name}: no usable KVM: ${problem}`);
      describe.skip(`${name} [skipped: no usable KVM: ${problem}]`, tests);
    },
    fail: () =>
      describe(name, () => {
        it('has a usable KVM, as REQUIRE_KVM=1 demands', () => {
          throw new Error(`no usable KVM: ${problem}`);
        });
      }),
  };
  suites[kvmTests(problem, process.env.REQUIRE_KVM === '1')]();
}
