/**
 * Rollbacks to one checkpoint, thousands of times: `node dist/test/soak/rollbacks.js [rollbacks]`, by default 10,000. The
 * last must cost what the first did, and nothing may grow.
 */
import { readGuest } from '../../guests/symbols.ts';
import { bootGuests } from '../../tools/testing/source.ts';
import { scaled } from '../support/time.ts';
import { growth, MOST_GROWTH, quantile, type Sample, sample } from './samples.ts';
import { countArgument, soak, type Verdicts } from './verdicts.ts';

const ROLLBACKS = countArgument(10_000);
const SAMPLES = 40;
/** Rollbacks that do not count after a sample: collecting garbage makes the next ones slow. */
const AFTER_SAMPLE = 5;
/** The fastest of the last quarter over those of the first, at most: what grows with each rollback would be far above. */
const MOST_SLOWDOWN = 2;
const FASTEST = 0.02;
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
  checkSlowdown(took, verdicts);
  for (const what of ['fds', 'maps', 'rss', 'heap'] as const) {
    const more = growth(samples, what);
    verdicts.check(
      `${what} do not grow`,
      more <= MOST_GROWTH[what],
      `${more} more, ${samples.at(-1)![what]} at the end`,
    );
  }
});

/**
 * The fastest of thousands: what grows makes all of them slow, other programs that want the processors, or a host that takes them
 * away for a second, do not. Medians and spread say more of those than of ours: they are printed, and judged by nobody.
 */
function checkSlowdown(took: Float64Array, verdicts: Verdicts): void {
  const quarter = Math.floor(took.length / 4);
  const [first, last] = [took.subarray(0, quarter), took.subarray(-quarter)].map((some) => quantile(some, FASTEST)) as [
    number,
    number,
  ];
  const detail = `the fastest took ${first.toFixed(3)} ms and ${last.toFixed(3)} ms`;
  verdicts.check('the last quarter cost what the first did', last <= MOST_SLOWDOWN * first, detail);
  const [median, p99, longest] = [0.5, 0.99, 1].map((share) => quantile(took, share).toFixed(3));
  console.log(`one rollback: median ${median} ms, p99 ${p99} ms, longest ${longest} ms`);
}
