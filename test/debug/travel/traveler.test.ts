/** A debugger in a recorded run: forward and back, breakpoints and watchpoints, and nothing that it changes. */
import { expect, it } from 'vitest';
import { History } from '../../../debug/history.ts';
import { Traveler } from '../../../debug/travel/traveler.ts';
import { UsageError } from '../../../src/errors.ts';
import { describeKvm } from '../../support/kvm.ts';
import { machineOfCode, type Recorded, record } from '../support.ts';

/** Counts to 4 at 0x2000, with an exit in each turn, and then to 4 more without. */
const COUNTER = `
  b9 04 00              ; mov cx, 4
  fe 06 00 20           ; again, at 0x7c03: inc byte [0x2000]
  e6 80                 ; out 0x80, al
  e2 f8                 ; loop again
  b9 04 00              ; mov cx, 4
  fe 06 00 20           ; more, at 0x7c0e: inc byte [0x2000]
  e2 fa                 ; loop more
  e6 f4                 ; out 0xf4, al`;
/** Some thousand steps. */
const LONG_WAY = `
  b9 b8 0b              ; mov cx, 3000
  e2 fe                 ; loop here
  e6 f4                 ; out 0xf4, al`;
/** Some thousand exits. */
const MANY_EXITS = `
  b9 b8 0b              ; mov cx, 3000
  e6 80                 ; again: out 0x80, al
  e2 fc                 ; loop again
  e6 f4                 ; out 0xf4, al`;
const AGAIN = 0x7c03n;
const OUT = 0x7c07n;
const MORE = 0x7c0en;
/** In a page that is written, as the first exit's code sets nothing else. */
const NEXT_TO_CODE = { address: 0x7d00n, kind: 'write', length: 1 } as const;
const WATCHED = { address: 0x2000n, kind: 'write', length: 1 } as const;

/** All positions of the run, with the address of the next instruction and the counter. */
async function straight(recorded: Recorded) {
  using history = new History(recorded.open());
  const traveler = new Traveler(history);
  const all = [await look(traveler)];
  while ((await traveler.resume(['step'])).kind === 'step') all.push(await look(traveler));
  return all;
}

async function look(traveler: Traveler) {
  const { pc, memory } = await traveler.vcpu();
  return { position: traveler.past.position, pc, counter: memory.read(0x2000n, 1)[0]! };
}

function travel<T>(how: (traveler: Traveler, recorded: Recorded) => Promise<T>): Promise<T> {
  const recorded = record(machineOfCode(COUNTER), { everyMs: 1 });
  const history = new History(recorded.open());
  return how(new Traveler(history), recorded).finally(() => {
    history[Symbol.dispose]();
    recorded[Symbol.dispose]();
  });
}

describeKvm('a debugger of a recording', () => {
  it('steps back through every position, to the beginning and no further', () =>
    travel(async (traveler, recorded) => {
      const all = await straight(recorded);
      traveler.past.goTo('end');
      for (const expected of all.toReversed().slice(1)) {
        expect((await traveler.past.back('step')).kind).toBe('step');
        expect(await look(traveler)).toEqual(expected);
      }
      expect((await traveler.past.back('step')).kind).toBe('first');
      expect(await traveler.resume()).toMatchObject({ kind: 'last' });
    }));

  it.each([
    ['in turns with an exit', AGAIN],
    ['in turns without', MORE],
  ])('stops at every pass of a breakpoint in both directions, %s', (_, address) =>
    travel(async (traveler, recorded) => {
      const passes = (await straight(recorded)).filter(({ pc }) => pc === address);
      expect(passes).toHaveLength(4);
      await traveler.setBreakpoint(address);
      for (const pass of passes) {
        expect(await traveler.resume()).toMatchObject({ kind: 'software', address });
        expect(await look(traveler)).toEqual(pass);
      }
      expect((await traveler.resume()).kind).toBe('last');
      for (const pass of passes.toReversed()) {
        expect(await traveler.past.back('run')).toMatchObject({ kind: 'software', address });
        expect(await look(traveler)).toEqual(pass);
      }
      expect((await traveler.past.back('run')).kind).toBe('first');
      expect(traveler.past.position).toBe('0');
    }),
  );

  it('stops behind each write of what is watched, and going back before it', () =>
    travel(async (traveler, recorded) => {
      const all = await straight(recorded);
      const writes = all.slice(1).flatMap((after, i) => (after.counter !== all[i]!.counter ? [[all[i]!, after]] : []));
      expect(writes).toHaveLength(8);
      expect(traveler.setHardware(WATCHED)).toBe(true);
      for (const [, after] of writes) {
        expect(await traveler.resume()).toMatchObject({ kind: 'watch', address: 0x2000n });
        expect(await look(traveler)).toEqual(after);
      }
      expect((await traveler.resume()).kind).toBe('last');
      for (const [before] of writes.toReversed()) {
        expect(await traveler.past.back('run')).toMatchObject({ kind: 'watch', address: 0x2000n });
        expect(await look(traveler)).toEqual(before);
      }
      expect((await traveler.past.back('run')).kind).toBe('first');
    }));

  it('stops going back at the last of breakpoints and writes, whichever it is', () =>
    travel(async (traveler, recorded) => {
      const all = await straight(recorded);
      const isStop = ({ pc, counter }: (typeof all)[number], i: number) =>
        pc === OUT || (all[i + 1]?.counter ?? counter) !== counter;
      const stops = all.filter(isStop).toReversed();
      expect(stops).toHaveLength(12);
      traveler.past.goTo('end');
      await traveler.setBreakpoint(OUT);
      traveler.setHardware(WATCHED);
      for (const stop of stops) {
        expect((await traveler.past.back('run')).kind).toBe(stop.pc === OUT ? 'software' : 'watch');
        expect(await look(traveler)).toEqual(stop);
      }
      expect((await traveler.past.back('run')).kind).toBe('first');
    }));

  it('changes nothing, and says why; reads cannot be watched; a position that is not there is refused', () =>
    travel(async (traveler) => {
      const { memory } = await traveler.vcpu();
      expect(() => memory.write(0x2000n, Uint8Array.of(1))).toThrow(UsageError);
      await expect(traveler.setRegisters()).rejects.toThrow('recorded run');
      expect(() => traveler.setHardware({ ...WATCHED, kind: 'access' })).toThrow('does not tell reads');
      expect(() => traveler.setHardware({ ...WATCHED, address: 0xf000_0000n })).toThrow('no memory');
      for (const wrong of ['', 'x', '1+', '9999']) expect(() => traveler.past.goTo(wrong)).toThrow(UsageError);
    }));

  it('is interrupted on a long way, in both directions', async () => {
    using recorded = record(machineOfCode(LONG_WAY));
    using history = new History(recorded.open());
    const traveler = new Traveler(history);
    await traveler.setBreakpoint(1n); // nowhere
    const forward = traveler.resume();
    traveler.interrupt();
    expect((await forward).kind).toBe('interrupt');
    expect(history.position.steps).toBeGreaterThan(100);
    traveler.past.goTo('end');
    const back = traveler.past.back('run');
    traveler.interrupt();
    expect((await back).kind).toBe('interrupt');
    expect((await traveler.past.back('run')).kind).toBe('first');
  });

  it('is interrupted while it goes back by one step, from an exit that many steps led to', async () => {
    using recorded = record(machineOfCode(LONG_WAY));
    using history = new History(recorded.open());
    const traveler = new Traveler(history);
    traveler.past.goTo('end');
    const back = traveler.past.back('step');
    traveler.interrupt();
    expect((await back).kind).toBe('interrupt');
    traveler.past.goTo('end');
    expect((await traveler.past.back('step')).kind).toBe('step');
    expect(history.position.steps).toBeGreaterThan(1000);
  });

  it.each([
    ['a breakpoint', (traveler: Traveler) => traveler.setBreakpoint(AGAIN)],
    ['a write', (traveler: Traveler) => traveler.setHardware(NEXT_TO_CODE)],
  ])('is interrupted while it looks for %s in an interval of many exits', async (_, want) => {
    using recorded = record(machineOfCode(MANY_EXITS), { everyMs: 3_600_000 });
    using history = new History(recorded.open());
    const traveler = new Traveler(history);
    await want(traveler);
    traveler.past.goTo('end');
    const back = traveler.past.back('run');
    traveler.interrupt();
    expect((await back).kind).toBe('interrupt');
    expect(Number.isInteger(history.position.steps)).toBe(true);
    traveler.past.goTo('end');
    expect((await traveler.past.back('step')).kind).toBe('step');
  });
});
