/** Hundreds of live checkpoints of guests that write all the time: each holds one moment, not a mixture of two. */
import { expect, it } from 'vitest';
import { checksumProblems, edgeProblems, type ReadMemory, stampProblems } from '../../../guests/invariants.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LONG } from '../../support/long.ts';
import { SLOW_HOST, scaled } from '../../support/time.ts';
import { readerOf } from '../driver.ts';
import { LIMIT_MS as MANY_MS } from '../fidelity/support.ts';
import { AREA, Live, sleep } from './guests.ts';

const CHECKPOINTS = LONG ? 1000 : SLOW_HOST ? 5 : 12;
const LIMIT_MS = LONG ? scaled(600_000) : MANY_MS;

const wordAt = (read: ReadMemory, gpa: number) => {
  const bytes = read(gpa, 8);
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
};

/** What is wrong with a checkpoint's memory, in words. */
type Check = (read: ReadMemory, live: Live) => string[];

const checksum =
  (cpus: number): Check =>
  (read, live) =>
    checksumProblems(
      read,
      AREA,
      64,
      Array.from({ length: cpus }, (_, cpu) => wordAt(read, live.address('checksum_position') + 8 * cpu)),
    );

const GUESTS: readonly { readonly name: string; readonly check: Check }[] = [
  { name: 'edge', check: (read, live) => edgeProblems(read, AREA, 256, wordAt(read, live.address('edge_steps'))) },
  {
    name: 'stamp',
    check: (read, live) => {
      const now = wordAt(read, live.address('stamp_iteration'));
      const { impossible } = stampProblems(read, { base: AREA, span: 512, since: now, now, isDirty: () => true });
      return impossible.map((page) => `page ${page} carries a stamp from after iteration ${now}`);
    },
  },
  { name: 'checksum-writer-1', check: checksum(1) },
  { name: 'checksum-writer-2', check: checksum(2) },
  { name: 'checksum-writer-4', check: checksum(4) },
];

/** The word that says how far each guest has come. */
const PROGRESS = { edge: 'edge_steps', stamp: 'stamp_iteration' } as const;

describeKvm('live checkpoints hold one moment', () => {
  it.each(GUESTS)(
    `$name, ${CHECKPOINTS} times`,
    async ({ name, check }) => {
      await using live = await Live.start(name);
      const word = live.address(PROGRESS[name as keyof typeof PROGRESS] ?? 'checksum_position');
      let before = -1;
      let moved = 0;
      for (let n = 0; n < CHECKPOINTS; n++) {
        const { digest, parent } = await live.session.checkpoint({ maxRounds: n % 4 });
        expect(parent === undefined).toBe(n === 0);
        using checkpoint = live.store.open(digest);
        const read = readerOf(checkpoint);
        expect(check(read, live), `checkpoint ${n}`).toEqual([]);
        const now = wordAt(read, word);
        expect(now).toBeGreaterThanOrEqual(before);
        if (now > before) moved++;
        before = now;
        await sleep(n % 3);
        if (n % 3 > 0) await eventually('the guest runs', () => live.machine.memory.readUint(word, 8) > now);
      }
      expect(moved, 'the guest runs between checkpoints').toBeGreaterThan(CHECKPOINTS / 2);
      expect(live.running.running).toBe(true);
    },
    LIMIT_MS,
  );
});
