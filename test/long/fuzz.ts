/**
 * The long seeded runs: `node dist/test/long/fuzz.js loaders|store COUNT [SEED]`. The run counts as
 * one test in the last line. A failure is printed with what repeats it.
 */
import { fuzz as fuzzLoaders } from '../loaders/fuzz.ts';
import { fuzz as fuzzStore } from '../snapshot/store/fuzz.ts';
import { countLine } from '../svm/counts.ts';

/** Runs `count` cases; gives what went wrong, a line each, and prints what the run was like. */
type Target = (count: number, seed: number) => string[];

const STORE_LIMITS = { slowestMs: 5000, grownMiB: 500 };

const TARGETS: Readonly<Record<string, Target>> = {
  loaders(count, seed) {
    const { plans, refusals, slowest, failures } = fuzzLoaders(count, seed);
    console.log(`${plans} planned, ${refusals} refused, the slowest in ${slowest.toFixed(1)} ms`);
    return failures.map((f) => `case ${f.iteration} (${f.shape}): ${f.problem}; base64 of the image: ${f.image}`);
  },
  store(count, seed) {
    const { answers, slowestMs, grownMiB } = fuzzStore(count, seed); // throws on the first broken promise, naming it
    console.log(`${JSON.stringify(answers)}, the slowest in ${slowestMs.toFixed(1)} ms, grown by ${grownMiB} MiB`);
    const beyond = { slowestMs: slowestMs > STORE_LIMITS.slowestMs, grownMiB: grownMiB > STORE_LIMITS.grownMiB };
    return Object.entries(beyond).flatMap(([what, is]) => (is ? [`${what} is beyond its limit`] : []));
  },
};

function outcome(run: () => string[]): string[] {
  try {
    return run();
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}

function main([name = '', count = '', seed = '1']: readonly string[]): number {
  const target = TARGETS[name];
  if (!target || !(Number(count) > 0)) {
    console.error(`usage: fuzz.js ${Object.keys(TARGETS).join('|')} COUNT [SEED]`);
    return 2;
  }
  console.log(`${count} cases from seed ${seed}`);
  const failures = outcome(() => target(Number(count), Number(seed)));
  for (const failure of failures) console.log(`FAILED ${failure}`);
  const failed = failures.length > 0 ? 1 : 0;
  console.log(countLine({ passed: 1 - failed, failed, skipped: 0 }));
  return failed;
}

process.exitCode = main(process.argv.slice(2));
