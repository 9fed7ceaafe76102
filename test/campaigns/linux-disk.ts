/**
 * `npm run linux-disk [-- N [SEED[:FIRST]]]`: points at which a Linux with two processors writes to its disk, each saved live and
 * brought back in another process: test/real/linux-disk-moments.ts. Where it cannot run here, on the second host that the
 * environment names ($SVMHOST). $STUCK names a folder that keeps, as stores, guests that did not go on.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { boot } from '../real/boot.ts';
import { ext4Problem, makeExt4 } from '../real/ext4.ts';
import { LINUX_WITH_DISK } from '../real/linux-disk.ts';
import { AMID, DISK_BYTES, goesOn, type Moment, SECONDS } from '../real/linux-disk-moments.ts';
import { random, temporaryDirectory } from '../snapshot/store/support.ts';
import { type Campaign, caseSeed, runCampaign, type Tally } from './campaign.ts';
import { hereOrThere, type There } from './there.ts';

const STANDARD = 10;
/** To start Linux takes longer than to save a point, and its disk has room for so many. */
const POINTS_A_BOOT = 8;
const KINDS = Object.keys(AMID) as (keyof typeof AMID)[];
const STUCK = process.env.STUCK && resolve(process.env.STUCK);

const THERE: There = {
  program: fileURLToPath(import.meta.url),
  seconds: (points) => 360 + 300 * points,
  megabytes: 4096,
  ...(STUCK && { environment: { STUCK }, writable: STUCK }),
};

const limit = () => Date.now() + SECONDS * 1000;

/** Says what was done, and how long it took. */
async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  console.log(`${what}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return result;
}

async function bringBack(seed: number, number: number, moment: Moment, folder: string, tally: Tally): Promise<void> {
  const stuck = STUCK && join(STUCK, `${seed}-${number}`);
  try {
    await timed(`point ${number}: goes on, and ends with no fault on its disk`, () => goesOn(moment, folder, stuck));
    tally.pass();
  } catch (error) {
    tally.fail(number, `point ${number}: ${error}${stuck && existsSync(stuck) ? `; it is kept in ${stuck}` : ''}`);
  }
}

/** Points from one start of Linux, each brought back at once, until one cannot be saved. Returns the number of the next. */
async function ofOneBoot(seed: number, first: number, end: number, tally: Tally): Promise<number> {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'disk.img');
  let number = first;
  try {
    makeExt4(path, DISK_BYTES);
    using store = openStore(join(directory.path, 'store'), { create: true });
    await using session = await boot(LINUX_WITH_DISK, [{ path }]);
    const live = await LiveSession.start(session.running, store);
    try {
      const started = limit();
      await timed('Linux has started, and the disk is ready', async () => {
        for (const step of LINUX_WITH_DISK.dialogue) await session.step(step, started);
      });
      await timed('saved for the first time', () => live.checkpoint());
      for (; number < end && !tally.hopeless; number++) {
        const kind = KINDS[number % KINDS.length]!;
        const work = { session, live, next: random(caseSeed(seed, number)), deadline: limit() };
        const moment = await timed(`point ${number}: saved amid ${kind}`, () => AMID[kind](work, number - first));
        await bringBack(seed, number, moment, directory.path, tally);
      }
    } finally {
      await live.close();
    }
  } catch (error) {
    tally.fail(number, `point ${number} was not saved: ${error}`);
    number++;
  }
  return number;
}

async function here({ seed, first, count }: Campaign, tally: Tally): Promise<void> {
  const end = first + count;
  for (let next = first; next < end && !tally.hopeless; )
    next = await ofOneBoot(seed, next, Math.min(end, next + POINTS_A_BOOT), tally);
}

await runCampaign('linux-disk', STANDARD, [], async (campaign, tally) => {
  if (STUCK) mkdirSync(STUCK, { recursive: true });
  await hereOrThere(campaign, LINUX_WITH_DISK, ext4Problem(), here, THERE, tally);
});
