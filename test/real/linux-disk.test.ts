/** Debian's cloud kernel, unmodified, with two processors and an ext4 file system on a disk: see linux-disk-moments.ts. */
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { random, temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { LONG } from '../support/long.ts';
import { boot } from './boot.ts';
import { makeExt4, mustBeClean, writeDisk } from './ext4.ts';
import { LINUX_WITH_DISK as GUEST, linuxDiskProblem } from './linux-disk.ts';
import { AMID, DISK_BYTES, goesOn, type Moment, SECONDS } from './linux-disk-moments.ts';

/** How often each kind of work is saved. */
const TIMES = LONG ? 5 : 1;
/** Seen once in about thirty restores: a processor waits in a lock of the guest's, halted with interrupts off, and is not woken. */
const KNOWN_FAULT = 'a Linux with two processors may stand still there: docs/disks.md says why';

describeKvm('Linux with a disk', () => {
  const reason = linuxDiskProblem();
  const why = reason ? ` (skipped: ${reason})` : '';
  const directory = temporaryDirectory();
  const moments: Moment[] = [];
  afterAll(() => directory[Symbol.dispose]());

  it.skipIf(reason)(
    `writes and is saved meanwhile, ${2 * TIMES} times, and powers off${why}`,
    async () => {
      const [image, end] = [join(directory.path, 'disk.img'), join(directory.path, 'end.img')];
      makeExt4(image, DISK_BYTES);
      using store = openStore(join(directory.path, 'store'), { create: true });
      await using session = await boot(GUEST, [{ path: image }]);
      const live = await LiveSession.start(session.running, store);
      const work = { session, live, next: random(1), deadline: Date.now() + SECONDS * 1000 };
      for (const step of GUEST.dialogue) await session.step(step, work.deadline);
      await live.checkpoint(); // a first one, of all memory, takes longer than the work
      for (let turn = 1; turn <= TIMES; turn++)
        for (const amid of Object.values(AMID)) moments.push(await amid(work, turn));
      await session.step({ on: 'serial', see: '# ', type: 'finish poweroff\n' }, work.deadline);
      expect((await session.ended(work.deadline)).reason).toBe('poweroff');
      await live.close();
      writeDisk(session.machine.disks.list[0]!, end);
      mustBeClean(end);
      mustBeClean(image); // as it was made
    },
    (SECONDS + 10) * 1000,
  );

  const reasonNow = reason ?? (LONG ? undefined : `without VMLAPSE_LONG=1: ${KNOWN_FAULT}`);
  const whyNow = reasonNow ? ` (skipped: ${reasonNow})` : '';
  it.skipIf(reasonNow).each(Array.from({ length: 2 * TIMES }, (_, i) => i))(
    `goes on from moment %i in another process, and ends with no fault on its disk${whyNow}`,
    async (i) => {
      expect(moments.length).toBeGreaterThan(i);
      await goesOn(moments[i]!, directory.path);
    },
    (SECONDS + 10) * 1000,
  );
});
