/**
 * Rollbacks to one checkpoint, thousands of times: `node dist/test/soak/rollbacks.js [rollbacks]`, by default 10,000. They
 * must cost then what those of a new machine do, and nothing may grow.
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
/** Rollbacks of the old machine and of a new one by turns, and how much slower the old may be: what grows would be far above. */
const BY_TURNS = 500;
const MOST_SLOWDOWN = 2;
const POST = 0x80;

const boot = () =>
  bootGuests({
    image: readGuest('stamp-bounded', { param_rounds: 0 }),
    until: { port: POST },
    timeoutMs: scaled(20_000),
  });

await soak('rollbacks', (verdicts) => {
  using guests = boot();
  const samples: Sample[] = [];
  const took = new Float64Array(ROLLBACKS); // outside the heap that is measured
  let wrong = 0;
  const rollBack = (from = guests): number => {
    const start = performance.now();
    const guest = from.take();
    const ms = performance.now() - start;
    if (guest.memory.uint('stamp_iteration') !== 1n) wrong++;
    guest.run({ until: { port: POST } });
    if (guest.memory.uint('stamp_iteration') !== 2n) wrong++;
    from.giveBack(guest);
    return ms;
  };
  for (let i = 0; i < ROLLBACKS; i++) {
    if (i % Math.ceil(ROLLBACKS / SAMPLES) === 0) {
      samples.push(sample());
      for (let again = 0; again < AFTER_SAMPLE; again++) rollBack();
    }
    took[i] = rollBack();
  }
  for (const what of ['fds', 'maps', 'rss', 'heap'] as const) {
    const more = growth(samples, what);
    verdicts.check(
      `${what} do not grow`,
      more <= MOST_GROWTH[what],
      `${more} more, ${samples.at(-1)![what]} at the end`,
    );
  }
  using others = boot();
  checkSlowdown(() => [rollBack(), rollBack(others)], verdicts);
  verdicts.check('each went back, and on again', wrong === 0, `${wrong} did not`);
  const [median, p99, longest] = [0.5, 0.99, 1].map((share) => quantile(took, share).toFixed(3));
  console.log(`one rollback: median ${median} ms, p99 ${p99} ms, longest ${longest} ms`);
});

/** By turns, as a host may be twice as fast in one second as in the next. The spread is printed, and judged by nobody. */
function checkSlowdown(both: () => [old: number, young: number], verdicts: Verdicts): void {
  const pairs = Array.from({ length: BY_TURNS }, both);
  const [old, young] = [0, 1].map((i) =>
    quantile(
      pairs.map((pair) => pair[i]!),
      0.5,
    ),
  ) as [number, number];
  const detail = `medians ${old.toFixed(3)} ms, and ${young.toFixed(3)} ms of a new machine`;
  verdicts.check('rollbacks cost what those of a new machine do', old <= MOST_SLOWDOWN * young, detail);
}
