/** A checkpoint that fails early: the next one is taken, and holds what the failed one would have held. */
import { expect, it } from 'vitest';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { KvmError } from '../../src/errors.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { hasExchanged } from '../../src/runner/threads/mailbox.ts';
import type { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { eventually, startGuest } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';
import { ramOf } from './driver.ts';
import { contentOf, differences, pageOf, temporaryDirectory } from './store/support.ts';

const AREA = 0x90_0000;

/** Puts something in the place of a property, until the answer is called. */
function replace<T extends object, K extends keyof T>(object: T, key: K, value: T[K]): () => void {
  const before = object[key];
  Object.defineProperty(object, key, { value, configurable: true, writable: true });
  return () => Object.defineProperty(object, key, { value: before, configurable: true, writable: true });
}

/** What fails, and how that is brought about; the answer ends it. */
const FAILURES: Record<string, (running: RunningMachine, session: CheckpointSession) => () => void> = {
  'the dirty log cannot be read': ({ machine }) => replace(machine.vm.fd, 'number', -1),
  'the chips cannot be saved': ({ machine: { vm } }, { tracker }) => {
    let mend = () => {};
    const { take } = tracker;
    const taken = replace(tracker, 'take', () => {
      const pages = take.call(tracker);
      mend = replace(vm.fd, 'number', -1);
      return pages;
    });
    return () => {
      mend();
      taken();
    };
  },
  'a vCPU refuses to be saved': (running) => {
    const { finishSave } = running;
    return replace(running, 'finishSave', () => {
      finishSave.call(running);
      throw new KvmError('KVM_GET_MSRS', 22, 'the MSR 0x10 was refused');
    });
  },
};

describeKvm('a checkpoint that fails', () => {
  it.each(Object.keys(FAILURES))('because %s: the next ones do not', async (name) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    const { running } = machine;
    const { memory } = running.machine;
    using session = new CheckpointSession(running, store);
    const ended = running.run();
    await eventually('the guest counts', () => counter('writer_rounds') > 0);
    const parent = session.checkpoint().digest;
    memory.write(AREA, pageOf(7));
    running.resume();
    const before = counter('writer_rounds');
    await eventually('the guest counts on', () => counter('writer_rounds') > before);
    running.pause();
    const ram = ramOf(memory);

    const mend = FAILURES[name]!(running, session);
    for (let i = 0; i < 2; i++) thrown(KvmError, () => session.checkpoint());
    expect(running.threads.every(({ mailbox }) => hasExchanged(mailbox.look()))).toBe(true);
    mend();
    const report = session.checkpoint({ verifyDirty: true });
    expect(report).toMatchObject({ parent, log: { missed: [] } });
    using checkpoint = store.open(report.digest);
    expect(differences(ram, contentOf(checkpoint))).toEqual([]);
    expect(contentOf(checkpoint).get(AREA / PAGE_SIZE)).toEqual(pageOf(7));
    running.stop();
    await ended;
  });
});
