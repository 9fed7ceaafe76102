/** Live checkpoints while a guest writes its disk: each holds memory and disk of one moment, and goes on when it is brought back. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ForkTemplate } from '../../../snapshot/fork.ts';
import { LiveSession } from '../../../snapshot/live/live-session.ts';
import { restoreMachine } from '../../../snapshot/restore.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LONG } from '../../support/long.ts';
import { SLOW_HOST } from '../../support/time.ts';
import { diskMachine, filesOn } from '../disk-guest.ts';
import { LIMIT_MS } from '../fidelity/support.ts';
import { temporaryDirectory } from '../store/support.ts';

const CHECKPOINTS = LONG ? 300 : SLOW_HOST ? 2 : 4;
const MOST_UNCOUNTED = 4;

describeKvm('live checkpoints of a guest that writes its disk', () => {
  it.each(['disk-log', 'disk-log-irq'])(
    `%s, ${CHECKPOINTS} times`,
    async (name) => {
      using folder = temporaryDirectory();
      const path = join(folder.path, 'disk.img');
      writeFileSync(path, '');
      truncateSync(path, 64 * 2 ** 20); // or it is full before a slow host has saved it
      const { machine, address } = diskMachine(path, { name, irqchip: true });
      using _ = machine;
      const filesOf = ({ memory }: Machine) => Number(memory.readUint(address('log_files'), 8));
      const running = await RunningMachine.start(machine);
      using store = openStore(join(folder.path, 'store'), { create: true });
      const live = await LiveSession.start(running, store);
      const ended = running.run();
      await eventually('it writes', () => filesOf(machine) > 0);
      let before = -1;
      for (let n = 0; n < CHECKPOINTS; n++) {
        const { digest } = await live.checkpoint({ maxRounds: n % 3 });
        running.hold(); // or its disk is full before a slow host has tried the others
        using checkpoint = store.open(digest);
        using template = new ForkTemplate(checkpoint);
        for (const bring of [() => restoreMachine(checkpoint), () => template.fork()]) {
          const { machine: brought, load } = bring();
          using _brought = brought;
          const files = filesOf(brought);
          const uncounted = filesOn(brought.disks.list[0]!) - files;
          expect(uncounted >= 0 && uncounted <= MOST_UNCOUNTED, `${uncounted} files that memory does not know`).toBe(
            true,
          );
          expect(files).toBeGreaterThanOrEqual(before);
          before = files;
          const other = await RunningMachine.start(brought);
          load(other);
          const end = other.run();
          await eventually('it writes more files', () => filesOf(brought) >= files + 8);
          other.stop();
          expect((await end).reason).toBe('interrupted');
          await other.close();
        }
        if (n % 4 === 3) {
          const { parent } = checkpoint.info;
          using older = store.open(parent!);
          live.session.rollback(older);
          expect(filesOf(machine)).toBeLessThanOrEqual(before);
          before = -1;
        }
        const now = filesOf(machine);
        running.resume();
        await eventually('the guest writes on', () => filesOf(machine) > now);
      }
      running.stop();
      expect((await ended).reason).toBe('interrupted');
      await live.close();
      await running.close();
    },
    LIMIT_MS,
  );
});
