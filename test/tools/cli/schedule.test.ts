/** The checkpoints of a run, without a command line around them. */
import { beforeEach, expect, it, vi } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import { CheckpointSchedule, type ScheduleOptions } from '../../../tools/cli/session/schedule.ts';
import { startGuest } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scratch } from './cli.ts';

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
});

/** A schedule of a guest that does not run yet. */
async function scheduled(options: ScheduleOptions) {
  const folder = scratch();
  const store = folder.file('store');
  const { started } = await startGuest('edge');
  const schedule = await CheckpointSchedule.start(started.running, { ...options, store }, {}, (line) =>
    said.push(line),
  );
  return {
    schedule,
    labels() {
      using opened = openStore(store);
      return opened.log().map(({ label }) => label);
    },
    async [Symbol.asyncDispose]() {
      await schedule.close();
      await started[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

describeKvm('a schedule', () => {
  it('listens to SIGUSR2 from its start until it is closed: unheard, that ends the process', async () => {
    const before = process.listenerCount('SIGUSR2');
    const heard = () => process.listenerCount('SIGUSR2') - before;
    await using made = await scheduled({ checkpointAt: [{ kind: 'signal' }, { kind: 'end' }] });
    const { schedule } = made;
    expect(heard()).toBe(1);
    schedule.arm();
    process.emit('SIGUSR2', 'SIGUSR2');
    const finished = schedule.finish();
    expect(heard()).toBe(1);
    process.emit('SIGUSR2', 'SIGUSR2');
    await finished;
    expect(said).toContain('vmlapse: no checkpoint at signal: the run has ended');
    expect(made.labels()).toEqual(['end', 'signal']);
    expect(schedule.requested.missed).toEqual([]);
    expect(heard()).toBe(1);
    await schedule.close();
    expect(heard()).toBe(0);
  });

  it('tells why --keep did not remove a checkpoint, once, and removes it with the next ones', async () => {
    await using made = await scheduled({ keep: 1 });
    const { schedule } = made;
    const { live } = schedule;
    const take = live.checkpoint.bind(live);
    const notRemoved = new Error('another process writes');
    await schedule.checkpoint({ label: 'a' });
    const fails = vi
      .spyOn(live, 'checkpoint')
      .mockImplementation(async (options) => ({ ...(await take(options)), notRemoved }));
    for (const label of ['b', 'c']) await schedule.checkpoint({ label });
    expect(made.labels()).toEqual(['c', 'b', 'a']);
    expect(said.filter((line) => line.endsWith(notRemoved.message))).toHaveLength(1);
    fails.mockRestore();
    await schedule.checkpoint({ label: 'd' });
    expect(made.labels()).toEqual(['d']);
  });
});
