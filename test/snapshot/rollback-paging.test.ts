/**
 * Rollback of a guest that has changed its page tables since: what it reads is what its tables of then say, and not what
 * the processor or KVM has kept from later. The guest `remap` checks that itself with every read.
 */
import { expect, it } from 'vitest';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { StatCounter } from '../../src/kvm/stats.ts';
import { shadowDropper } from '../../src/runner/translations.ts';
import { describeKvm, hostKind } from '../support/kvm.ts';
import { drive } from './driver.ts';
import { temporaryDirectory } from './store/support.ts';

const ROUNDS = 6;
const MODES = ['manual', 'legacy'] as const;
/** Exits into the guest: in its first rounds, where a translation of later is the other page's. */
const STOPS = [5, 6, 7, 8, 9];

describeKvm('rollback over changed page tables', () => {
  it.each(MODES)('%s: every address shows what was mapped at the checkpoint', (dirtyLog) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    for (const stop of STOPS) {
      const { driver } = drive('remap', { param_rounds: ROUNDS });
      using _ = driver;
      using session = new CheckpointSession(driver.local, store, { dirtyLog });
      driver.go(stop);
      session.checkpoint({ tags: ['here'] });
      using here = store.open('here');
      for (const more of [4, 7, Number.POSITIVE_INFINITY]) {
        driver.go(more);
        session.rollback(here);
        driver.said = '';
        driver.go();
        expect(driver.said, `at exit ${stop}, after ${more} more`).toBe(`remap: ${ROUNDS} rounds, all as mapped\n`);
        session.rollback(here);
      }
    }
  });

  it('the shadow page tables are dropped as often as is asked, and no slot is left', () => {
    const { driver } = drive('remap', { param_rounds: ROUNDS });
    using _ = driver;
    driver.go(5);
    driver.local.completePendingIo();
    for (let i = 0; i < 100; i++) shadowDropper(driver.machine, i % 4)();
    driver.said = '';
    driver.go();
    expect(driver.said).toBe(`remap: ${ROUNDS} rounds, all as mapped\n`);
  });

  it.runIf(hostKind !== 'PVM')('KVM counts the entries into a nested guest', () => {
    const { driver } = drive('nested');
    using _ = driver;
    using runs = StatCounter.open(driver.local.vcpu.fd, 'nested_run')!;
    expect(runs.read()).toBe(0n);
    driver.go();
    expect(runs.read() > 0n).toBe(driver.said.includes('L2'));
  });

  it('a counter that KVM does not have is none', () => {
    const { driver } = drive('remap');
    using _ = driver;
    expect(StatCounter.open(driver.local.vcpu.fd, 'no such counter')).toBeUndefined();
    using exits = StatCounter.open(driver.local.vcpu.fd, 'exits')!;
    const before = exits.read();
    driver.go(5);
    expect(exits.read()).toBeGreaterThan(before);
  });
});
