import { describe, expect, it } from 'vitest';
import type { Device } from '../../../src/devices/device.ts';
import { type Pit, pit } from '../../../src/devices/pit/timer.ts';
import { plugged } from '../fake-host.ts';

const KHZ = 1193.182;
const BOTH = 0x30;

function timer() {
  const { bus, device, host } = plugged([pit()]);
  const at = host.time;
  return {
    pit: device as Device as Pit,
    host,
    /** Sets the clock to so many clocks of the timer after the beginning, and a little. */
    at: (clocks: number) => {
      host.time = at + (clocks + 0.01) / KHZ;
      return host.time;
    },
    out(port: number, ...values: number[]) {
      for (const value of values) bus.portOut(port, 1, value);
    },
    in: (port: number) => bus.portIn(port, 1),
    ticks: () => host.events.filter((event) => event === 'irq 0 = 1').length,
  };
}

/** Begins to count, with both bytes of the count. */
function start(t: ReturnType<typeof timer>, mode: number, count: number, channel = 0): void {
  t.out(0x43, (channel << 6) | BOTH | (mode << 1));
  t.out(0x40 + channel, count & 0xff, (count >> 8) & 0xff);
}

/** The counter, latched. */
function counter(t: ReturnType<typeof timer>, channel = 0): number {
  t.out(0x43, channel << 6);
  return t.in(0x40 + channel) | (t.in(0x40 + channel) << 8);
}

describe('the 8254', () => {
  it.each([
    [0, [1000, 990, 1, 0, 0xffff]],
    [2, [1000, 990, 1, 1000, 999]],
    [3, [1000, 980, 2, 1000, 998]],
    [4, [1000, 990, 1, 0, 0xffff]],
  ])('counts in mode %i', (mode, counts) => {
    const t = timer();
    t.at(0);
    start(t, mode, 1000);
    const seen = [0, 10, 999, 1000, 1001].map((clocks) => {
      t.at(clocks);
      return counter(t);
    });
    expect(seen).toEqual(counts);
  });

  it.each([
    [0, [0, 0, 1, 1]],
    [2, [0, 0, 1, 2]],
    [3, [0, 0, 1, 2]],
    [4, [0, 0, 1, 1]],
    [1, [0, 0, 0, 0]],
  ])('in mode %i ticks', (mode, ticks) => {
    const t = timer();
    t.at(0);
    start(t, mode, 1000);
    const seen = [0, 999, 1000, 2000].map((clocks) => {
      t.pit.tell(t.at(clocks));
      return t.ticks();
    });
    expect(seen).toEqual(ticks);
  });

  it('ticks once for all that were missed, and then in time again', () => {
    const t = timer();
    t.at(0);
    start(t, 2, 1000);
    t.pit.tell(t.at(5500));
    t.pit.tell(t.at(5999));
    expect(t.ticks()).toBe(1);
    t.pit.tell(t.at(6000));
    expect(t.ticks()).toBe(2);
  });

  it('says when it is due: not before, and it ticks then', () => {
    const t = timer();
    t.at(0);
    expect(t.pit.due()).toBe(Number.POSITIVE_INFINITY);
    for (const count of [1, 17, 1000, 65_535]) {
      start(t, 2, count);
      const due = t.pit.due();
      const before = t.ticks();
      expect(Math.abs((due - t.host.time) * KHZ - count)).toBeLessThan(2);
      t.pit.tell(due);
      expect(t.ticks()).toBe(before + 1);
      t.host.time = due;
    }
    start(t, 0, 100);
    t.pit.tell(t.pit.due());
    expect(t.pit.due()).toBe(Number.POSITIVE_INFINITY);
  });

  it('goes on from where it stood where the clock was set back, or the machine has rested', () => {
    for (const set of [-3_600_000, 3_600_000]) {
      const t = timer();
      t.at(0);
      start(t, 2, 1000);
      start(t, 0, 1000, 2);
      t.pit.tell(t.at(5300));
      expect(t.ticks()).toBe(1);
      t.host.time += set;
      expect(t.pit.isDue(t.host.time)).toBe(true);
      t.pit.tell(t.host.time);
      expect([t.ticks(), counter(t), counter(t, 2)]).toEqual([1, 700, (1000 - 5300) & 0xffff]);
      const due = t.pit.due();
      expect((due - t.host.time) * KHZ).toBeCloseTo(700, -1);
      expect(t.pit.isDue(t.host.time)).toBe(false);
      t.pit.tell(due);
      expect(t.ticks()).toBe(2);
    }
  });

  it('that has ticked once does not again where the clock is set back', () => {
    const t = timer();
    t.at(0);
    start(t, 0, 100);
    t.pit.tell(t.at(100));
    t.host.time -= 10_000;
    t.pit.tell(t.host.time);
    t.pit.tell(t.host.time + 1000);
    expect([t.ticks(), t.pit.due()]).toEqual([1, Number.POSITIVE_INFINITY]);
  });

  it('stands between a control word and its count', () => {
    const t = timer();
    t.at(0);
    start(t, 2, 1000);
    t.out(0x43, BOTH | 4);
    t.pit.tell(t.at(5000));
    expect(t.ticks()).toBe(0);
    t.out(0x40, 0xe8);
    expect(t.pit.due()).toBe(Number.POSITIVE_INFINITY);
    t.out(0x40, 0x03);
    t.pit.tell(t.at(6000));
    expect(t.ticks()).toBe(1);
  });

  it('takes one byte of a count, or both; 0 is the longest', () => {
    const t = timer();
    t.at(0);
    t.out(0x43, 0x14);
    t.out(0x40, 0x80);
    expect(t.in(0x40)).toBe(0x80);
    t.out(0x43, 0x24);
    t.out(0x40, 0x12);
    expect(t.in(0x40)).toBe(0x12);
    start(t, 2, 0);
    t.at(1);
    expect([t.in(0x40), t.in(0x40)]).toEqual([0xff, 0xff]);
  });

  it('keeps what was latched, once, and reads back status and counter together', () => {
    const t = timer();
    t.at(0);
    start(t, 2, 1000);
    t.at(100);
    t.out(0x43, 0x00);
    t.at(200);
    t.out(0x43, 0x00, 0xc2);
    expect([t.in(0x40), t.in(0x40), t.in(0x40)]).toEqual([0xb4, 900 & 0xff, 900 >> 8]);
    expect(counter(t)).toBe(800);
  });

  it('has the gate and the output of channel 2 at port 61h', () => {
    const t = timer();
    t.at(0);
    t.out(0x61, 0x01);
    start(t, 0, 1000, 2);
    expect(t.in(0x61) & 0x23).toBe(0x01);
    t.at(1000);
    expect(t.in(0x61) & 0x23).toBe(0x21);
    start(t, 3, 1000, 2);
    t.at(1600);
    expect(t.in(0x61) & 0x20).toBe(0);
    t.out(0x61, 0x00, 0x03);
    expect(t.in(0x61) & 0x23).toBe(0x23);
    expect(t.ticks()).toBe(0);
  });

  it('shows memory refresh at port 61h, which some guests count', () => {
    const t = timer();
    const refresh = (clocks: number) => {
      t.at(clocks);
      return t.in(0x61) & 0x10;
    };
    const seen = new Set(Array.from({ length: 40 }, (_, i) => refresh(i)));
    expect(seen.size).toBe(2);
  });

  it('is never told that time has gone back', () => {
    const t = timer();
    t.at(1000);
    start(t, 2, 1000);
    t.pit.tell(t.at(0));
    expect(counter(t)).toBe(1000);
    expect(t.ticks()).toBe(0);
  });
});
