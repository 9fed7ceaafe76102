import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { runHere } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { mappings, openDescriptors } from '../support/resources.ts';
import { scaled } from '../support/time.ts';
import { codeMachine, eventually, startCode } from './machines.ts';

const EXITS = 'b001 e6f4 ebfe';
/** Fewer where starting a thread takes seconds. */
const CYCLES = scaled(1) === 1 ? 20 : 4;

/** What a machine takes of the process: descriptors, threads, mappings, timers. */
function held() {
  const timers = existsSync('/proc/self/timers') ? readFileSync('/proc/self/timers', 'latin1') : '';
  return {
    kvm: openDescriptors().length,
    fds: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: mappings().length,
    timers: timers.match(/^ID:/gm)?.length ?? 0,
  };
}

describeKvm('nothing is left behind', () => {
  it(`by ${CYCLES} machines with threads`, async () => {
    const cycle = async () => {
      await using machine = await startCode({ mode: 'real', code: EXITS });
      expect((await machine.running.run()).value).toBe(1);
    };
    await cycle();
    const before = held();
    expect(before).toMatchObject({ kvm: 0, mappings: 0, timers: 0 });
    for (let i = 0; i < CYCLES; i++) await cycle();
    await eventually('all threads and descriptors gone', () => {
      const { fds, threads, ...rest } = held();
      return fds <= before.fds && threads <= before.threads && rest.kvm + rest.mappings + rest.timers === 0;
    });
  });

  it('by 20 machines in this thread', () => {
    const before = held();
    for (let i = 0; i < 20; i++) {
      using machine = codeMachine({ mode: 'real', code: EXITS });
      expect(runHere(machine).value).toBe(1);
    }
    expect(held()).toMatchObject({ kvm: 0, mappings: 0, timers: 0, fds: before.fds });
  });
});
