/** The end that a guest has come to is part of its state: restored, forked, rolled back to, and left behind. */
import { describe, expect, it } from 'vitest';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { decodeState, encodeState } from '../../snapshot/machine-state.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { CheckpointError } from '../../src/errors.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunResult } from '../../src/runner/result.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { type CodeGuest, codeMachine, eventually, soon, startCode } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';
import { scaled } from '../support/time.ts';
import { madeUpState } from './show/made-up.ts';
import { temporaryDirectory } from './store/support.ts';

const LIMIT = { timeoutMs: scaled(10_000) };
/** Writes 3 to the debug exit, then halts for good. */
const EXIT_3: CodeGuest = { mode: 'real', code: 'b003 e6f4 fa f4 ebfd' };
const END = { reason: 'exit-port', value: 3 };

/** How a machine ends that has been restored, in one of its ways. */
async function endOf({ machine, load }: ReturnType<typeof restoreMachine>): Promise<RunResult> {
  using _machine = machine;
  const running = await RunningMachine.start(machine);
  try {
    load(running);
    return await running.run(LIMIT);
  } finally {
    await running.close();
  }
}

describeKvm('a checkpoint of a guest that has ended', () => {
  it('restores to that end, and so does a fork; the guest runs on only when it is run once more', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    await using started = await startCode(EXIT_3);
    using session = new CheckpointSession(started.running, store);
    expect(await started.running.run(LIMIT)).toMatchObject(END);
    using checkpoint = store.open(session.checkpoint().digest);
    expect(await endOf(restoreMachine(checkpoint))).toMatchObject({ ...END, exits: {} });
    using template = new ForkTemplate(checkpoint);
    expect(await endOf(template.fork())).toMatchObject({ ...END, exits: {} });
    expect((await started.running.run(LIMIT)).reason).toBe('halted');
    session.rollback(checkpoint);
    expect(await started.running.run(LIMIT)).toMatchObject(END);
    expect((await started.running.run(LIMIT)).reason).toBe('halted');
  });

  it('restores to it in the calling thread', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = codeMachine(EXIT_3);
    using local = new LocalMachine(machine);
    using session = new CheckpointSession(local, store);
    expect(local.run(LIMIT)).toMatchObject(END);
    using checkpoint = store.open(session.checkpoint().digest);
    const restored = restoreMachine(checkpoint);
    using other = restored.machine;
    using again = new LocalMachine(other);
    restored.load(again);
    expect(again.run(LIMIT)).toMatchObject({ ...END, exits: {} });
  });

  it('restores to it also when it was taken before the owner heard of the end', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    await using started = await startCode(EXIT_3);
    const live = await LiveSession.start(started.running, store);
    const run = started.running.run(LIMIT);
    const [thread] = started.running.threads;
    soon('the vCPU has ended', () => thread!.isPaused);
    const { digest, ended } = await live.checkpoint();
    expect(ended).toEqual(END);
    await run;
    await live.close();
    using checkpoint = store.open(digest);
    expect(await endOf(restoreMachine(checkpoint))).toMatchObject(END);
  });

  it('a rollback leaves an end behind that the owner has not heard of', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    await using started = await startCode(EXIT_3);
    const { running } = started;
    using session = new CheckpointSession(running, store);
    using start = store.open(session.checkpoint().digest);
    let result: RunResult | undefined;
    const run = running.run(LIMIT).then((ended) => {
      result = ended;
    });
    soon('the vCPU has ended', () => running.threads[0]!.isPaused);
    session.rollback(start);
    await running.threads[0]!.call('counts', undefined); // its answer comes behind the message of the end
    expect(result).toBeUndefined();
    running.resume();
    await eventually('the second end', () => result);
    await run;
    expect(result).toMatchObject({ ...END, exits: { IO: 2 } });
  });
});

describe('what a state says of its guest’s end', () => {
  const state = madeUpState({});
  const ended = (end: unknown) => encodeState({ ...state, description: { ...state.description, ended: end as never } });

  it('is kept', () => {
    const end = { vcpu: 0, ends: [END] };
    expect(decodeState(ended(end)).description.ended).toEqual(end);
  });

  it.each([
    null,
    5,
    {},
    { vcpu: 0, ends: [] },
    { vcpu: -1, ends: [END] },
    { vcpu: 99, ends: [END] },
    { vcpu: 0, ends: [{ reason: 'timeout' }] },
    { vcpu: 0, ends: [null] },
    { vcpu: 0, ends: [{ reason: 'exit-port', value: 'three' }] },
    { vcpu: 0, ends: [{ reason: 'unexpected-exit', detail: { exit: 'x'.repeat(2000) } }] },
  ])('%j is refused', (end) => {
    expect(thrown(CheckpointError, () => decodeState(ended(end))).code).toBe('BAD_STATE');
  });
});
