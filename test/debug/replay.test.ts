import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Recorder } from '../../debug/recording/recorder.ts';
import { findCulprit } from '../../debug/replay/culprit.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import { openRecording } from '../../debug/replay/recording.ts';
import { Replayer } from '../../debug/replay/replayer.ts';
import { guestNamed } from '../../guests/list.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { UsageError } from '../../src/errors.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { machineOf } from '../snapshot/fidelity/play.ts';
import { goesOnHere } from '../snapshot/fidelity/support.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { expectedHere, REASONS } from '../support/expected.ts';
import { describeKvm } from '../support/kvm.ts';
import { SLOW_HOST } from '../support/time.ts';
import { machineOfCode, RECORDABLE, record, recordGuest, replayed, WAITS } from './support.ts';

/** Each a way to make exits, to start or to end; a campaign has all others. */
const GUESTS = [
  ...['hello-long', 'hello-real', 'multiboot-info', 'boot-memory', 'boot-fat12', 'kernel', 'compute-ring3', 'ring3'],
  ...['remap', 'disk-log', 'debugcon', 'string-io', 'rep-outs', 'edge-bounded', 'fault-triple', 'fault-mmio', 'panic'],
].filter((name) => RECORDABLE.includes(name) && goesOnHere(name));

const TIMES = SLOW_HOST ? 2 : 8;

/** RDTSC into memory, and nothing of it in a register: 0x2000 has the time. */
const READS_TIME = `
  0f 31           ; rdtsc
  66 a3 00 20     ; mov [0x2000], eax
  66 31 c0        ; xor eax, eax
  66 31 d2        ; xor edx, edx
  e6 80           ; out 0x80, al
  e6 f4           ; out 0xf4, al`;

/** The same, and the time goes to a port. */
const TELLS_TIME = `
  0f 31           ; rdtsc
  e6 80           ; out 0x80, al
  30 c0           ; xor al, al
  e6 f4           ; out 0xf4, al`;

/** A write over the end of a page where no memory is: an instruction with two exits. */
const CROSSES = `
  b8 ff ff        ; mov ax, 0xffff
  8e d8           ; mov ds, ax
  66 a3 0e 10     ; mov [0x100e], eax, at 0x100ffe
  31 c0           ; xor ax, ax
  e6 f4           ; out 0xf4, al`;

describeKvm('a recorded run', () => {
  it.each(SLOW_HOST ? ['hello-long', 'boot-fat12'] : GUESTS)('of %s is the same when it is run again', (name) => {
    using recorded = recordGuest(name);
    expect(recorded.end.reason).toBe(REASONS[expectedHere(guestNamed(name)).ending.kind]);
    const { said, exits } = replayed(recorded.open());
    expect(said).toBe(recorded.said);
    expect(exits).toBe(recorded.report.exits);
  });

  it('begins at each of its checkpoints', () => {
    // One at each exit: how many there are must not depend on how fast this host is.
    using recorded = recordGuest(SLOW_HOST ? 'hello-long' : 'string-io', { everyMs: 0 });
    const recording = recorded.open();
    expect(recording.points).toHaveLength(recorded.report.exits + 1);
    using replayer = new Replayer(recording);
    const step = Math.ceil(recording.points.length / 4);
    for (let point = recording.points.length - 2; point >= 0; point -= step) {
      replayer.load(point);
      expect(replayer.exits).toBe(recording.points[point]!.exits);
      replayer.runTo(recording.exits);
      expect(replayer.end).toMatchObject({ reason: 'exit-port', value: 0 });
    }
  });

  it('has no checkpoint between the exits of one instruction', () => {
    using recorded = record(machineOfCode(CROSSES), { everyMs: 0 });
    expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(recorded.report.exits).toBe(3);
    expect(recorded.open().points.map(({ exits }) => exits)).toEqual([0, 2, 3]);
    expect(replayed(recorded.open()).exits).toBe(3);
  });

  it('has the input of its guest, at its place', () => {
    for (const name of ['echo-polled', 'interrupt']) {
      using recorded = recordGuest(name);
      expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(replayed(recorded.open()).said).toBe(recorded.said);
    }
  });

  it('waits for input, and goes on with it, also behind a checkpoint there', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = machineOf(guestNamed('interrupt'), false);
    using recorder = new Recorder(machine, store);
    expect(recorder.run()).toBe(WAITS);
    recorder.finish();
    recorder.send(Buffer.from('x'));
    expect(recorder.run()).toMatchObject({ reason: 'exit-port', value: 0 });
    const { exits } = recorder.finish();
    expect(replayed(openRecording(store)).exits).toBe(exits);
  });

  it('stops at an exit where it is told to, and goes on; stopped by the time, it settles at the next one', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = machineOf(guestNamed('overrun'), false);
    let wanted = 10;
    const HERE: RunEnd = { reason: 'stop-point', stopPoint: 'here' };
    using recorder: Recorder = new Recorder(machine, store, {
      served: () => (recorder.exits === wanted ? HERE : undefined),
    });
    expect([recorder.run(), recorder.exits]).toEqual([HERE, 10]);
    expect(recorder.settle()).toBe(HERE);
    expect(recorder.finish().exits).toBe(10);
    expect(recorder.run({ timeoutMs: 0 })).toEqual({ reason: 'timeout' });
    expect([recorder.settle()?.reason, recorder.exits]).toEqual(['stop-point', 11]);
    wanted = 30;
    expect([recorder.run(), recorder.exits]).toEqual([HERE, 30]);
    const end = recorder.run();
    expect(end).toMatchObject({ reason: 'exit-port' });
    const { exits } = recorder.checkpoint(['the-end']);
    expect(recorder.run()).toBe(end);
    expect(recorder.finish()).toMatchObject({ exits, isCut: false });
    expect(replayed(openRecording(store, 'the-end')).exits).toBe(exits);
  });

  it.each([
    ['time in memory', READS_TIME, /memory at 0x200[0-3] \(\d bytes?\) differs/],
    [
      'time at a port',
      TELLS_TIME,
      /the guest writes "out 0x80 1 byte .*", recorded is "out 0x80 1 byte|registers: rax differs/,
    ],
  ])('that depends on what cannot be recorded is found out each time: %s', (_, code, what) => {
    let found = 0;
    for (let i = 0; i < TIMES; i++) {
      using recorded = record(machineOfCode(code));
      try {
        replayed(recorded.open());
      } catch (error) {
        expect(error).toBeInstanceOf(ReplayDivergence);
        expect((error as ReplayDivergence).what).toMatch(what);
        expect((error as ReplayDivergence).after).toEqual({ exits: 0, steps: 0 });
        const culprit = findCulprit(recorded.open(), error as ReplayDivergence);
        expect(culprit).toMatchObject({ rip: 0x7c00n, bits: 16, register: 'rax', position: { exits: 0, steps: 0 } });
        found++;
      }
    }
    expect(found).toBe(TIMES);
  });

  it('goes on to the end of its guest where it could not settle', () => {
    using machine = machineOf(guestNamed('hello-long'), false);
    using folder = temporaryDirectory();
    using store = openStore(folder.path, { create: true });
    let isLost = false;
    using recorder = new Recorder(machine, store, {
      served: () => {
        if (isLost) throw new Error('lost');
        return undefined;
      },
    });
    expect(recorder.run({ timeoutMs: 0 }).reason).toBe('timeout');
    isLost = true;
    expect(() => recorder.settle()).toThrow('lost');
    isLost = false;
    expect(recorder.run().reason).toBe('exit-port');
  });

  it('keeps its log in garbage collection; verify finds it damaged, and the checkpoint can still be restored', () => {
    using recorded = recordGuest('hello-long');
    const { store, report } = recorded;
    store.gc();
    const { digest } = store.manifest(report.digest).recording!;
    expect(store.verify().problems).toEqual([]);
    writeFileSync(store.blobs.path(digest), 'damaged');
    expect(store.verify()).toMatchObject({ problems: [{ digest, code: 'CORRUPT' }], lost: [] });
    expect(() => replayed(recorded.open())).toThrow(/has 7 bytes where its descriptor says/);
  });
});

describeKvm('what cannot be recorded is refused:', () => {
  it.each([
    ['several vCPUs', { cpus: 2, irqchip: true }, /^several vCPUs cannot be recorded/],
    ['chips of the kernel', { irqchip: true }, /^a machine with the kernel's interrupt controllers cannot be recorded/],
    ['random numbers', { irqchip: false, rng: true }, /^a machine with a source of random numbers cannot be recorded/],
  ])('%s', (_, options, message) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = Machine.create({ memory: 2 ** 20, ...options });
    expect(() => new Recorder(machine, store)).toThrow(UsageError);
    expect(() => new Recorder(machine, store)).toThrow(message);
    expect(store.log()).toEqual([]);
  });

  it('a guest of the local APIC', () => {
    expect(() => recordGuest('timer-lapic')).toThrow(
      /the guest uses the local APIC, which no recorded machine has: it cannot be recorded/,
    );
  });

  it('a guest of the 8259s, on a machine without', () => {
    expect(() => record(machineOf(guestNamed('timer-pit'), false))).toThrow(
      /the guest uses the interrupt controller \(8259\), which a recorded machine can have; this machine was made without it/,
    );
  });

  it('and a checkpoint of no recording is not run again', () => {
    using recorded = recordGuest('hello-long');
    const { store, report } = recorded;
    const [first] = recorded.open().points;
    store.squash(report.digest, ['alone']);
    expect(() => openRecording(store, 'alone')).toThrow(/^alone is of no recording/);
    store.remove(first!.digest);
    expect(() => openRecording(store, report.digest)).toThrow(
      /cannot be run again: the checkpoint before .* is not in the store/,
    );
  });
});
