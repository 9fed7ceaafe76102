/** What was found, a line each, and the count at the end. */
import { kvmProblem } from '../support/kvm.ts';

/** Collects what passed and what failed, and prints as it goes. */
export class Verdicts {
  readonly #count = { passed: 0, failed: 0, skipped: 0 };

  check(name: string, passed: boolean, detail = ''): void {
    this.#count[passed ? 'passed' : 'failed']++;
    console.log(`${passed ? 'ok' : 'FAILED'} ${name}${detail && `: ${detail}`}`);
  }

  skip(name: string, reason: string): void {
    this.#count.skipped++;
    console.log(`skipped ${name}: ${reason}`);
  }

  /** Prints the last line; the exit status is 1 if anything failed. */
  finish(): void {
    const { passed, failed, skipped } = this.#count;
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    process.exitCode = failed > 0 ? 1 : 0;
  }
}

/** Runs a soak where KVM can be used; elsewhere it is skipped, or fails with REQUIRE_KVM=1. */
export async function soak(name: string, run: (verdicts: Verdicts) => void | Promise<void>): Promise<void> {
  const verdicts = new Verdicts();
  const problem = kvmProblem();
  try {
    if (problem === undefined) await run(verdicts);
    else if (process.env.REQUIRE_KVM === '1') verdicts.check(name, false, `no usable KVM: ${problem}`);
    else verdicts.skip(name, `no usable KVM: ${problem}`);
  } catch (error) {
    verdicts.check(name, false, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  verdicts.finish();
}

/** The count on the command line, or the default. */
export function countArgument(standard: number): number {
  const [text] = process.argv.slice(2);
  const count = text === undefined ? standard : Number(text);
  if (Number.isInteger(count) && count >= 100) return count;
  console.error(`${text} is no whole number from 100: give the number of rounds, or nothing for ${standard}`);
  process.exit(2);
}
