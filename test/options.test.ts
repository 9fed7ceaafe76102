/** Options of a wrong kind, as JavaScript can give them, are refused with a UsageError that says what is wanted. */
import { expect, it } from 'vitest';
import { LiveSession } from '../snapshot/live/live-session.ts';
import { CheckpointSession } from '../snapshot/session.ts';
import { openStore } from '../snapshot/store/store.ts';
import { UsageError } from '../src/errors.ts';
import { Machine } from '../src/machine/machine.ts';
import { ABORT_SIGNAL, checkOption, checkOptions, listOf, MILLISECONDS } from '../src/options.ts';
import { LocalMachine } from '../src/runner/local-machine.ts';
import { RunningMachine } from '../src/runner/threads/running-machine.ts';
import { codeMachine } from './runner/machines.ts';
import { temporaryDirectory } from './snapshot/store/support.ts';
import { describeKvm } from './support/kvm.ts';
import { thrown } from './support/thrown.ts';

const SPIN = { mode: 'real', code: 'ebfe' } as const;

it('names the option, what it is, and what is wanted', () => {
  const { message } = thrown(UsageError, () => checkOption('timeoutMs', '5', MILLISECONDS));
  expect(message).toBe("option timeoutMs is '5': give a number of milliseconds");
  const kinds = { timeoutMs: MILLISECONDS };
  expect(thrown(UsageError, () => checkOptions<{ timeoutMs: number }>(null as never, kinds)).message).toMatch(
    /are null: .*timeoutMs/,
  );
  const names = listOf('names', (value) => value === 'a');
  expect(thrown(UsageError, () => checkOption('tags', ['a', 1], names)).message).toContain('a list of names');
  expect(thrown(UsageError, () => checkOption('text', 'x'.repeat(10_000), MILLISECONDS)).message.length).toBeLessThan(
    150,
  );
});

it('takes what fits, what is left out, and signals that are none of this context', () => {
  checkOptions({ timeoutMs: Number.POSITIVE_INFINITY }, { timeoutMs: MILLISECONDS });
  checkOptions({ timeoutMs: undefined }, { timeoutMs: MILLISECONDS });
  checkOption('signal', new AbortController().signal, ABORT_SIGNAL);
  checkOption('signal', { aborted: false, addEventListener() {}, removeEventListener() {} }, ABORT_SIGNAL);
  expect(() => checkOption('signal', new EventTarget(), ABORT_SIGNAL)).toThrow(UsageError);
});

/** Calls of the API with one option that is wrong, by the text that the error has. */
const WRONG: readonly [options: unknown, message: RegExp][] = [
  [null, /^the options are null: give an object/],
  [5, /^the options are 5: give an object/],
];
const wrong = (...names: readonly string[]): typeof WRONG =>
  [
    ...WRONG,
    ...names.map(
      (name) => [{ [name]: Symbol('wrong') }, new RegExp(`^option ${name} is Symbol\\(wrong\\): give `)] as const,
    ),
  ] as typeof WRONG;

describeKvm('options of a wrong kind', () => {
  it.each(wrong('memory', 'cpus', 'irqchip', 'cpuid', 'devices'))('Machine.create(%o)', (options, message) => {
    const given = typeof options === 'object' && options !== null ? { memory: 2 ** 20, ...options } : options;
    expect(thrown(UsageError, () => Machine.create(given as never)).message).toMatch(message);
  });

  it('of RunningMachine', async () => {
    using machine = codeMachine(SPIN);
    const stopPoints = ['serial', 'exits', 'ports'].map(
      (name) => [{ stopAt: { [name]: 5 } }, new RegExp(`option ${name} is 5`)] as const,
    );
    for (const [options, message] of [...wrong('serial', 'debugcon', 'trace', 'assist', 'stopAt'), ...stopPoints])
      await expect(RunningMachine.start(machine, options as never)).rejects.toThrow(message);
    const running = await RunningMachine.start(machine);
    for (const [options, message] of wrong('timeoutMs', 'signal')) {
      const refused = running.run(options as never);
      await expect(refused).rejects.toThrow(UsageError);
      await expect(refused).rejects.toThrow(message);
      expect(running.running).toBe(false);
    }
    expect((await running.run({ timeoutMs: 1 })).reason).toBe('timeout');
    await running.close();
  });

  it('of LocalMachine', () => {
    using machine = codeMachine(SPIN);
    for (const [options, message] of wrong('output', 'assist', 'served'))
      expect(thrown(UsageError, () => new LocalMachine(machine, options as never)).message).toMatch(message);
    using local = new LocalMachine(machine);
    for (const [options, message] of wrong('timeoutMs'))
      expect(thrown(UsageError, () => local.run(options as never)).message).toMatch(message);
    expect(thrown(UsageError, () => local.advance('5' as never)).message).toContain("timeoutMs is '5'");
    expect(local.run({ timeoutMs: 1 }).reason).toBe('timeout');
  });

  it('of checkpoints', async () => {
    using machine = codeMachine(SPIN);
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const running = await RunningMachine.start(machine);
    const live = await LiveSession.start(running, store);
    const session = new CheckpointSession(running, store);
    const both = ['tags', 'label', 'level', 'verifyDirty'];
    for (const [options, message] of wrong(...both))
      expect(thrown(UsageError, () => session.checkpoint(options as never)).message).toMatch(message);
    const only = ['maxRounds', 'maxPauseMs', 'askedAt', 'stoppedAt', 'onTaken', 'onProgress', 'stayPaused'];
    for (const [options, message] of wrong(...both, ...only))
      await expect(live.checkpoint(options as never)).rejects.toThrow(message);
    expect(store.log()).toEqual([]);
    session[Symbol.dispose]();
    await live.close();
    await running.close();
  });

  it('records of another machine are not loaded', async () => {
    using machine = codeMachine(SPIN);
    const running = await RunningMachine.start(machine);
    running.beginSave();
    const [record] = running.finishSave().map((bytes) => bytes.slice());
    for (const records of [[], [record!.subarray(1)], [new Uint8Array(record!.length + 1)], [record!, record!]])
      expect(thrown(UsageError, () => running.loadVcpus(records)).message).toMatch(/^records of \[.*finishSave\(\)/);
    running.loadVcpus([record!]);
    await running.close();
    using other = codeMachine(SPIN);
    using local = new LocalMachine(other);
    expect(() => local.loadVcpus([record!.subarray(1)])).toThrow(UsageError);
  });
});
