/**
 * Rollbacks to one checkpoint, thousands of times: `node dist/test/soak/rollbacks.js [rollbacks]`, by default 10,000. All
 * must cost much the same (p99 at most three times the median), and nothing may grow.
 */
import { availableParallelism, loadavg } from 'node:os';
import { readGuest } from '../../guests/symbols.ts';
import { bootGuests } from '../../tools/testing/source.ts';
import { scaled } from '../support/time.ts';
import { growth, MOST_GROWTH, quantile, type Sample, sample } from './samples.ts';
import { countArgument, soak, type Verdicts } from './verdicts.ts';

const ROLLBACKS = countArgument(10_000);
const SAMPLES = 40;
/** Rollbacks that do not count after a sample: collecting garbage makes the next ones slow. */
const AFTER_SAMPLE = 5;
/** p99 over the median, at most. */
const MOST_SPREAD = 3;
const POST = 0x80;

await soak('rollbacks', (verdicts) => {
  using guests = bootGuests({
    image: readGuest('stamp-bounded', { param_rounds: 0 }),
    until: { port: POST },
    timeoutMs: scaled(20_000),
  });
  const samples: Sample[] = [];
  const took = new Float64Array(ROLLBACKS); // outside the heap that is measured
  let wrong = 0;
  const rollBack = (): number => {
    const start = performance.now();
    const guest = guests.take();
    const ms = performance.now() - start;
    if (guest.memory.uint('stamp_iteration') !== 1n) wrong++;
    guest.run({ until: { port: POST } });
    if (guest.memory.uint('stamp_iteration') !== 2n) wrong++;
    guests.giveBack(guest);
    return ms;
  };
  for (let i = 0; i < ROLLBACKS; i++) {
    if (i % Math.ceil(ROLLBACKS / SAMPLES) === 0) {
      samples.push(sample());
      for (let again = 0; again < AFTER_SAMPLE; again++) rollBack();
    }
    took[i] = rollBack();
  }
  verdicts.check('each went back, and on again', wrong === 0, `${wrong} did not`);
  checkSpread(took, verdicts);
  for (const what of ['fds', 'maps', 'rss', 'heap'] as const) {
    const more = growth(samples, what);
    verdicts.check(
      `${what} do not grow`,
      more <= MOST_GROWTH[what],
      `${more} more, ${samples.at(-1)![what]} at the end`,
    );
  }
});

/** Where other programs want the processors too, what they take is in the times, and a wide spread says nothing. */
function checkSpread(took: Float64Array, verdicts: Verdicts): void {
  const [median, p99, longest] = [0.5, 0.99, 1].map((share) => quantile(took, share)) as [number, number, number];
  const name = `p99 is at most ${MOST_SPREAD} times the median`;
  const detail = `median ${median.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms, longest ${longest.toFixed(3)} ms`;
  const passed = p99 <= MOST_SPREAD * median;
  const [load] = loadavg() as [number];
  const processors = availableParallelism();
  if (passed || load <= processors) verdicts.check(name, passed, detail);
  else verdicts.skip(name, `a load of ${load.toFixed(1)} on ${processors} processors: ${detail}`);
}
