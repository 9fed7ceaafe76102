/** Whatever the API is called with: what is of a wrong kind, and options that do not exist, are refused in one way. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as guests from '../guests/public.ts';
import * as api from '../index.ts';
import * as loaders from '../loaders/public.ts';
import { RamCache } from '../snapshot/cache/ram-cache.ts';
import * as snapshot from '../snapshot/public.ts';
import { checkArguments, MACHINE } from '../src/arguments.ts';
import { UsageError } from '../src/errors.ts';
import { checkOptions, MILLISECONDS, OBJECT, TEXT } from '../src/options.ts';
import { checkStopPoints } from '../src/runner/stop-points.ts';
import { bootGuests } from '../tools/testing/source.ts';
import { ROOT } from './docs/pages.ts';
import { codeMachine } from './runner/machines.ts';
import { temporaryDirectory } from './snapshot/store/support.ts';
import { describeKvm } from './support/kvm.ts';
import { thrown } from './support/thrown.ts';

it('the message has the call, what was given, where, and what is wanted', () => {
  const said = (...given: Parameters<typeof checkArguments>) =>
    thrown(UsageError, () => checkArguments(...given)).message;
  expect(said('runHere', [5, MACHINE])).toBe('runHere(5): give a machine, as Machine.create() makes it');
  expect(said('f', [{ vm: 1, memory: 2, config: 3 }, MACHINE], ['x', TEXT], [null, OBJECT])).toBe(
    'f(…, …, null): give an object',
  );
});

describe('an option that does not exist', () => {
  const check = (options: object) =>
    checkOptions<{ timeoutMs?: number; label?: string }>(options, { timeoutMs: MILLISECONDS, label: TEXT });
  it.each([
    ['timeoutMS', "there is no option 'timeoutMS': did you mean timeoutMs?"],
    ['timeout', "there is no option 'timeout': did you mean timeoutMs?"],
    ['labl', "there is no option 'labl': did you mean label?"],
    ['colour', "there is no option 'colour': there are timeoutMs, label"],
    ['constructor', "there is no option 'constructor': there are timeoutMs, label"],
  ])('%s is refused with the nearest, or with all', (name, message) => {
    expect(thrown(UsageError, () => check({ [name]: 1 })).message).toBe(message);
  });

  it('a long name makes no long work, and no long message', () => {
    const long = { ['x'.repeat(1_000_000)]: 1 };
    expect(thrown(UsageError, () => check(long)).message.length).toBeLessThan(150);
  });

  it('is none where it is undefined', () => {
    check({ labl: undefined });
  });
});

/** Not for all values of a first argument, and why. */
const OTHERWISE: Readonly<Record<string, RegExp>> = {
  'takes a number': /^(errnoName|exitName|msrName|describeMsr|Mapping\.anonymous|GuestMemory\.create)$/,
  'takes anything': /^(plain|decodeRegister|kvmBackend)$/,
  'stands on nothing, as all of src/abi': /^(struct|bytesOf|ioctlNumber)$/,
  'is hidden by TypeScript, or for the threads of this process':
    /^new (Kvm|Vm|Mapping|Machine|RunningMachine|LiveSession|GuestMemory|Debugger)$|\.borrow$/,
  'is what the machine is built of': /^(GuestMemory\.(outsideRam|copyOnWrite|overFile)|Mapping\.ofFile)$/,
};

type Callable = (...args: unknown[]) => unknown;

/** Every function, constructor and static method that a module exports. */
function callsOf(module: object): [name: string, call: Callable][] {
  return Object.entries(module).flatMap(([name, value]): [string, Callable][] => {
    if (typeof value !== 'function' || value.prototype instanceof Error) return [];
    if (!/^class\b/.test(Function.prototype.toString.call(value))) return [[name, value]];
    const statics = Object.getOwnPropertyNames(value).filter((member) => typeof value[member] === 'function');
    return [
      [`new ${name}`, (...args) => new value(...args)],
      ...statics.map((member): [string, Callable] => [`${name}.${member}`, (...args) => value[member](...args)]),
    ];
  });
}

describe('a first argument of a wrong kind', () => {
  const calls = [api, snapshot, loaders, guests].flatMap(callsOf);
  const checked = calls.filter(([name]) => !Object.values(OTHERWISE).some((names) => names.test(name)));

  it('is looked for in most of the API', () => {
    expect(checked.length).toBeGreaterThan(30);
    const names = calls.map(([name]) => name);
    for (const pattern of Object.values(OTHERWISE)) expect(names.some((name) => pattern.test(name))).toBe(true);
  });

  it.each(checked)('%s', async (name, call) => {
    for (const wrong of [5, null, Symbol('wrong')]) {
      const refused = (async () => call(wrong))();
      await expect(refused, String(wrong)).rejects.toThrow(UsageError);
      await expect(refused).rejects.toThrow(name === 'setTracer' || name === 'Machine.create' ? /: give / : `${name}(`);
    }
  });
});

/** Every table of options, by its file and name, with a call that checks it. */
type Table = readonly [table: string, call: (options: never) => unknown];

describeKvm('an option that does not exist is refused', () => {
  it('by every table', async () => {
    using machine = codeMachine({ mode: 'real', code: 'ebfe' });
    using directory = temporaryDirectory();
    using store = api.openStore(directory.path, { create: true });
    const running = await api.RunningMachine.start(machine);
    const live = await api.LiveSession.start(running, store);
    using checkpoint = store.open((await live.checkpoint()).digest);
    using local = new api.LocalMachine(codeMachine({ mode: 'real', code: 'ebfe' }));
    using own = local.machine;
    const memoryMap = own.memory.memoryMap;
    const bytes = Uint8Array.of(0xf4);
    const tables: readonly Table[] = [
      ['src/runner/stop-points.ts KINDS', (options) => checkStopPoints(options)],
      ['snapshot/cache/ram-cache.ts CACHE_OPTIONS', (options) => new RamCache(options)],
      ['debug/stops/debugger.ts DEBUGGER_OPTIONS', (options) => api.Debugger.attach(running, options)],
      ['debug/recording/recorder.ts RECORD_OPTIONS', (options) => new api.Recorder(own, store, options)],
      ['src/runner/local-machine.ts RUN_HERE_OPTIONS', (options) => api.runHere(own, options)],
      ['src/runner/local-machine.ts LOCAL_OPTIONS', (options) => new api.LocalMachine(own, options)],
      ['src/runner/local-machine.ts RUN_OPTIONS', (options) => local.run(options)],
      ['src/runner/threads/running-machine.ts START_OPTIONS', (options) => api.RunningMachine.start(machine, options)],
      ['src/runner/threads/running-machine.ts RUN_OPTIONS', (options) => running.run(options)],
      [
        'src/machine/machine.ts MACHINE_OPTIONS',
        (options) => api.Machine.create({ memory: 2 ** 20, ...(options as object) }),
      ],
      [
        'src/machine/disks.ts DISK_OPTIONS',
        (options) => api.Machine.create({ memory: 2 ** 20, disks: [{ path: 'none', ...(options as object) }] }),
      ],
      ['loaders/index.ts LOAD_OPTIONS', (options) => api.load(bytes, { memoryMap, ...(options as object) })],
      ['snapshot/session.ts SESSION_OPTIONS', (options) => new api.CheckpointSession(running, store, options)],
      ['snapshot/session.ts CHECKPOINT_OPTIONS', (options) => live.session.checkpoint(options)],
      ['snapshot/live/live-session.ts LIVE_OPTIONS', (options) => live.checkpoint(options)],
      ['snapshot/restore.ts RESTORE_OPTIONS', (options) => api.restoreMachine(checkpoint, options)],
      ['snapshot/fork.ts RESTORE_OPTIONS', (options) => new snapshot.ForkTemplate(checkpoint, options)],
      ['snapshot/fork-pool.ts FORK_POOL_OPTIONS', (options) => snapshot.forkPool(checkpoint, options)],
      [
        'snapshot/running-fork-pool.ts RUNNING_FORK_POOL_OPTIONS',
        (options) => snapshot.runningForkPool(checkpoint, options),
      ],
      ['snapshot/diff/diff.ts DIFF_OPTIONS', (options) => api.diff(checkpoint, checkpoint, options)],
      ['snapshot/store/store.ts STORE_OPTIONS', (options) => api.openStore(directory.path, options)],
      ['snapshot/store/store.ts GC_OPTIONS', (options) => store.gc(options)],
      ['tools/testing/source.ts GUEST_TEST_OPTIONS', (options) => bootGuests({ image: bytes, ...(options as object) })],
      ['tools/testing/guest.ts GUEST_RUN_OPTIONS', (options) => guest.run(options)],
    ];
    using source = bootGuests({ image: Uint8Array.of(0xeb, 0xfe), format: 'flat' });
    const guest = source.take();
    for (const [table, call] of tables) {
      const refused = (async () => call({ timeoutMS_: 1 } as never))();
      await expect(refused, table).rejects.toThrow(UsageError);
      await expect(refused, table).rejects.toThrow(
        /^there is no option 'timeoutMS_': (did you mean timeoutMs\?|there are )/,
      );
    }
    expect(tables.map(([table]) => table).toSorted()).toEqual(tablesInUse());
    source.giveBack(guest);
    await live.close();
    await running.close();
  });
});

/** The tables that the sources check options by. */
function tablesInUse(): string[] {
  const files = ['src', 'loaders', 'snapshot', 'debug', 'tools', 'guests'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  const uses = files
    .filter((file) => file.endsWith('.ts') && file !== 'src/options.ts')
    .flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/checkOptions\(\w+, (\w+)\)/g)].map(
        ([, name]) => `${file} ${name}`,
      ),
    );
  return [...new Set(uses)].toSorted();
}
