/** Recordings of guests of the 8259s and the 8254, which a recorded machine has in user space. */
import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import { positionText } from '../../debug/recording/position.ts';
import { Recorder } from '../../debug/recording/recorder.ts';
import { openRecording } from '../../debug/replay/recording.ts';
import { guestNamed } from '../../guests/list.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import { runHere } from '../../src/runner/local-machine.ts';
import { random, temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { SLOW_HOST, scaled } from '../support/time.ts';
import { atExits, look, straight } from './straight.ts';
import { CHIP_GUESTS, recordableMachine, recordGuest, replayed, WAITS } from './support.ts';

/** What each of them says at its end. */
const SAYS: Readonly<Record<string, RegExp>> = {
  'timer-pit': /tick 9\ntick 10\npit: done\n$/,
  'boot-timer': /^10 ticks\r\n$/,
  'echo-irq': /hello\nguest\n\necho-irq: 12 bytes\n$/,
};

describeKvm('a recorded machine with chips in user space', () => {
  it.each(CHIP_GUESTS)('runs %s, and runs it again', (name) => {
    using recorded = recordGuest(name);
    expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(recorded.said).toMatch(SAYS[name]!);
    expect(replayed(recorded.open())).toEqual({ said: recorded.said, exits: recorded.report.exits });
  });

  it.each(['timer-pit', 'boot-timer'])('runs %s by the host clock, too, where it is not recorded', (name) => {
    using machine = recordableMachine(guestNamed(name));
    let said = '';
    const output = (_: string, bytes: Uint8Array) => {
      said += Buffer.from(bytes).toString('latin1');
    };
    expect(runHere(machine, { output, timeoutMs: scaled(10_000) })).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(said).toMatch(SAYS[name]!);
  });

  it('is sought in over interrupts, and stepped back in', () => {
    using recorded = recordGuest('timer-pit', { everyMs: 30 });
    const { exits } = recorded.report;
    const eighths = [1, 2, 3, 4, 5, 6, 7].map((part) => Math.floor((exits * part) / 8));
    const first = straight(recorded, SLOW_HOST ? 300 : 20_000).filter((_, i) => i % 7 === 1);
    const all = [...first, ...atExits(recorded, eighths, 1)];
    using history = new History(recorded.open());
    const next = random(5);
    const some = Array.from({ length: SLOW_HOST ? 3 : 20 }, () => all[next(all.length)]!);
    for (const { position, seen } of [...some, all.at(-1)!, all.at(-3)!]) {
      expect(history.seek(position)).toEqual(position);
      expect(look(history), positionText(position)).toBe(seen);
      expect(history.stepBack()).toBe(true);
      expect(history.step()).toBe(true);
      expect(look(history), `back and forward: ${positionText(position)}`).toBe(seen);
    }
    const ticks = Number(guestSymbols(readGuest('timer-pit')).get('timer_ticks')!.address);
    expect(history.machine.memory.readUint(ticks, 8), 'ticks behind which it was sought').toBeGreaterThan(0n);
  });

  it('blames the handler for each tick that it counts', () => {
    using recorded = recordGuest('timer-pit');
    using history = new History(recorded.open());
    history.seek(history.end);
    const symbols = guestSymbols(readGuest('timer-pit'));
    const range = { gpa: symbols.get('timer_ticks')!.address, length: 8 };
    const writes = [...history.writes(range)];
    expect(writes.map(({ by }) => by)).toEqual(Array(10).fill('vcpu'));
    const handler = symbols.get('on_tick')!.address;
    // Where the processor runs the guest, the step in which an interrupt comes has all of the handler.
    if (isPvm) expect(writes.every(({ isExact }) => isExact)).toBe(true);
    for (const { rip } of writes.filter(({ isExact }) => isExact)) {
      expect(Number(rip)).toBeGreaterThanOrEqual(handler);
      expect(Number(rip)).toBeLessThan(handler + 32);
    }
    expect(writes.map(({ new: value }) => value[0])).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    // Back from behind the last write, over it: the counter is as it was.
    history.seek(writes[0]!.position);
    const ticks = () => history.machine.memory.readUint(range.gpa, 8);
    expect(ticks()).toBe(9n);
    history.step();
    expect(ticks()).toBe(10n);
    history.stepBack();
    expect(ticks()).toBe(9n);
  });

  it('stops in HLT where its time is up, and goes on there', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = recordableMachine(guestNamed('timer-pit'));
    using recorder = new Recorder(machine, store);
    let slices = 0;
    let end = recorder.run({ timeoutMs: 1 });
    for (; end.reason === 'timeout'; slices++) end = recorder.run({ timeoutMs: 1 });
    expect(end).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(slices).toBeGreaterThan(0); // of about a hundred, but for a host that stands still meanwhile
    expect(replayed(openRecording(store, recorder.finish().digest)).said).toMatch(/tick 10\npit: done\n$/);
  });

  it('waits for input that comes later, and takes it in HLT', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = recordableMachine(guestNamed('echo-irq'));
    using recorder = new Recorder(machine, store);
    for (const text of ['one\n', 'two\n', '\x04']) {
      expect(recorder.run({ timeoutMs: scaled(5000) })).toBe(WAITS);
      recorder.send(Buffer.from(text));
    }
    expect(recorder.run({ timeoutMs: scaled(5000) })).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(replayed(openRecording(store, recorder.finish().digest)).said).toContain('one\ntwo\n');
  });

  it('has no APIC by its CPUID', () => {
    using machine = recordableMachine(guestNamed('timer-pit'));
    using vcpu = machine.createVcpu(0);
    const leaf = vcpu.getCpuid2().find((each) => each.function === 1)!;
    const bits = { apic: leaf.edx >>> 9, x2apic: leaf.ecx >>> 21, deadline: leaf.ecx >>> 24 };
    expect(Object.entries(bits).filter(([, bit]) => bit & 1)).toEqual([]);
  });

  it('is not one with chips in the kernel', () => {
    expect(() => Machine.create({ memory: 2 ** 20, userChips: true })).toThrow(
      /^userChips stand for those of the kernel: add irqchip: false/,
    );
  });
});
