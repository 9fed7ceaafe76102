import { expect, it } from 'vitest';
import type { CounterName } from '../../guests/contract.ts';
import { describeKvm } from '../support/kvm.ts';
import { eventually, soon, startGuest } from './machines.ts';

/** Spins for a while without giving up the thread, so that nothing but the guest could change anything. */
function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describeKvm('pause and resume', () => {
  it.each<[string, CounterName, number]>([
    ['ring3-writer', 'writer_writes', 200],
    ['memory-writer', 'writer_writes', 50],
    ['checksum-writer-2', 'checksum_position', 50],
  ])('%s: its counter moves only while it runs', async (name, word, cycles) => {
    const { started, counter } = await startGuest(name);
    await using machine = started;
    const { running } = machine;
    const result = running.run();
    await eventually('the guest counts', () => counter(word) > 0);
    for (let cycle = 0; cycle < cycles; cycle++) {
      running.pause();
      const before = counter(word);
      spin(cycle % 20 === 0 ? 20 : 0.2);
      expect(counter(word)).toBe(before);
      running.resume();
      soon('the guest counts on', () => counter(word) > before);
    }
    running.stop();
    expect(await result).toMatchObject({ reason: 'interrupted' });
    const stopped = counter(word);
    spin(20);
    expect(counter(word)).toBe(stopped);
  });

  it('pausing twice and resuming twice is as good as once', async () => {
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    running.pause();
    const result = running.run();
    running.pause();
    running.pause();
    const before = counter('writer_rounds');
    running.resume();
    running.resume();
    await eventually('the guest counts', () => counter('writer_rounds') > before);
    running.stop();
    await result;
  });

  it('a guest that floods the serial port while nobody reads can be paused, and nothing is lost', async () => {
    const lines = 1200;
    let letGo = () => {};
    const blocked = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const { started } = await startGuest('rep-outs', { param_count: lines }, { serial: () => blocked });
    await using machine = started;
    const { running } = machine;
    const result = running.run();
    await eventually('output', () => machine.said.length > 0);
    for (let i = 0; i < 20; i++) {
      running.pause();
      const length = machine.said.length;
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(machine.said.length).toBe(length);
      running.resume();
    }
    letGo();
    expect(await result).toMatchObject({ reason: 'exit-port', value: 0 });
    const line = machine.said.slice(0, 64);
    expect(machine.said).toBe(line.repeat(lines));
  });

  it.each([2 ** 31, 1e12, Number.POSITIVE_INFINITY])(
    'timeoutMs: %d, longer than a timer of Node can be',
    async (timeoutMs) => {
      const { started, counter } = await startGuest('ring3-writer');
      await using machine = started;
      const { running } = machine;
      const result = running.run({ timeoutMs });
      const before = counter('writer_rounds');
      await eventually('the guest counts', () => counter('writer_rounds') > before);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running.stop();
      expect((await result).reason).toBe('interrupted');
    },
  );

  it('timeoutMs: NaN is refused, and the next run is not', async () => {
    const { started } = await startGuest('ring3-writer');
    await using machine = started;
    await expect(machine.running.run({ timeoutMs: Number.NaN })).rejects.toThrow('timeoutMs is NaN');
    expect((await machine.running.run({ timeoutMs: 1 })).reason).toBe('timeout');
  });

  it('a machine that is held stays so when its run ends, until resume(), and its timeout stands still', async () => {
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    expect(running.hold()).toBe(true);
    expect(running.hold()).toBe(false);
    const first = running.run({ timeoutMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    running.stop();
    expect((await first).reason).toBe('interrupted');
    expect(counter('writer_writes')).toBe(0);
    expect(running).toMatchObject({ leftMs: 1, held: true, running: false });
    const second = running.run({ timeoutMs: running.leftMs });
    expect(running.resume()).toBe(true);
    expect(running.resume()).toBe(false);
    expect((await second).reason).toBe('timeout');
    expect(running.leftMs).toBeLessThan(1); // Node's timers may come a little early
  });

  it('a pause ends with the next run; a checkpoint of a machine that is held leaves it held', async () => {
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    const first = running.run();
    running.hold();
    running.beginSave();
    running.finishSave();
    expect(running.held).toBe(true);
    running.resume();
    running.pause();
    running.stop();
    await first;
    running.resume(); // no run is under way: nothing runs
    const before = counter('writer_writes');
    spin(2);
    expect(counter('writer_writes')).toBe(before);
    running.pause();
    const second = running.run();
    await eventually('the guest counts on', () => counter('writer_writes') > before);
    running.stop();
    await second;
  });

  it('the timeout of a run that begins before the one before has resolved is its own', async () => {
    const { started } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    const first = running.run({ timeoutMs: 60_000 });
    running.stop();
    const second = running.run({ timeoutMs: 20 });
    expect((await first).reason).toBe('interrupted');
    expect((await second).reason).toBe('timeout');
  });

  it('an aborted signal ends a run, and one that begins after it', async () => {
    const { started } = await startGuest('ring3-writer');
    await using machine = started;
    const stop = new AbortController();
    const first = machine.running.run({ signal: stop.signal });
    stop.abort();
    expect((await first).reason).toBe('interrupted');
    expect((await machine.running.run({ signal: stop.signal })).reason).toBe('interrupted');
  });

  it('a machine that is disposed of while it runs is an error, not an end of the guest', async () => {
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    const result = running.run();
    await eventually('the guest counts', () => counter('writer_writes') > 0);
    running.pause();
    running.machine[Symbol.dispose]();
    running.resume();
    await expect(result).rejects.toThrow(/disposed of while it ran: await close\(\)/);
  });
});
