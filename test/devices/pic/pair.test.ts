import { describe, expect, it } from 'vitest';
import type { Device } from '../../../src/devices/device.ts';
import { type Pics, pics } from '../../../src/devices/pic/pair.ts';
import { lineOf, VIRTIO_SLOTS } from '../../../src/devices/virtio/slots.ts';
import { plugged } from '../fake-host.ts';

/** Controllers as a PC's kernel sets them: vectors 20h and 28h, nothing masked. */
function initialized(icw4 = 0x01) {
  const { bus, device } = plugged([pics()]);
  const out = (port: number, ...values: number[]) => {
    for (const value of values) bus.portOut(port, 1, value);
  };
  out(0x20, 0x11);
  out(0x21, 0x20, 0x04, icw4, 0x00);
  out(0xa0, 0x11);
  out(0xa1, 0x28, 0x02, icw4, 0x00);
  const chips = device as Device as Pics;
  const raise = (...lines: number[]) => {
    for (const line of lines) chips.setLine(line, 1);
  };
  const take = () => (chips.isWaiting() ? chips.acknowledge() : undefined);
  return { chips, out, raise, take, read: (port: number) => bus.portIn(port, 1) };
}

describe('the 8259s', () => {
  it('give the lower line first, and hold it back while one of its priority or above is served', () => {
    const { out, raise, take } = initialized();
    raise(4, 1, 3);
    expect([take(), take()]).toEqual([0x21, undefined]);
    out(0x20, 0x20);
    expect([take(), take()]).toEqual([0x23, undefined]);
    raise(0);
    expect(take()).toBe(0x20);
    out(0x20, 0x60, 0x63);
    expect(take()).toBe(0x24);
  });

  it('say which line would have an interrupt: not a masked one, none behind one that is served', () => {
    const { chips, out, raise, take } = initialized();
    const would = () => [0, 1, 2].map((line) => chips.wouldRequest(line));
    out(0x21, 0x04);
    expect(would()).toEqual([true, true, false]);
    raise(1);
    take();
    expect(would()).toEqual([true, false, false]);
    out(0x20, 0x0b, 0x68);
    expect(would()).toEqual([true, false, false]);
    out(0x21, 0x02);
    expect(would()).toEqual([true, false, true]);
    out(0x20, 0x48, 0x20);
    expect(would()).toEqual([true, false, true]);
    raise(0);
    take();
    expect(would()).toEqual([false, false, false]);
  });

  it('pass on what comes to the slave, which needs an end of its own', () => {
    const { out, raise, take } = initialized();
    raise(12, 8);
    expect(take()).toBe(0x28);
    out(0x20, 0x20);
    expect(take()).toBeUndefined();
    out(0xa0, 0x20);
    expect(take()).toBe(0x2c);
  });

  it('remember an edge, and a level only while it lasts', () => {
    const { chips, out, take } = initialized();
    out(0x4d0, 0xff);
    for (const level of [1, 0] as const) for (const line of [1, 5]) chips.setLine(line, level);
    expect([take(), take()]).toEqual([0x21, undefined]);
    out(0x20, 0x20);
    chips.setLine(5, 1);
    expect(take()).toBe(0x25);
    out(0x20, 0x20);
    expect(take()).toBe(0x25);
  });

  it('tell what is asked, served and masked; a poll takes a request', () => {
    const { out, raise, take, read } = initialized();
    out(0x21, 0x08);
    raise(3, 6);
    expect(take()).toBe(0x26);
    expect([read(0x20), read(0x21)]).toEqual([0x08, 0x08]);
    out(0x20, 0x0b);
    expect(read(0x20)).toBe(0x40);
    out(0x21, 0x00);
    out(0x20, 0x0c);
    expect([read(0x20), read(0x20)]).toEqual([0x83, 0x40]);
  });

  it('end by themselves where they are told to', () => {
    const { raise, take, read, out } = initialized(0x03);
    raise(5, 6);
    expect([take(), take(), take()]).toEqual([0x25, 0x26, undefined]);
    out(0x20, 0x0b);
    expect(read(0x20)).toBe(0);
  });

  it('rotate priorities', () => {
    const { out, raise, take } = initialized();
    raise(2 + 1);
    expect(take()).toBe(0x23);
    out(0x20, 0xa0); // end it, and give it the lowest priority
    raise(1, 6);
    expect(take()).toBe(0x26);
  });

  it('let lower lines in past one that is served and masked, in the special mask mode alone', () => {
    const { out, raise, take } = initialized();
    raise(1);
    expect(take()).toBe(0x21);
    out(0x21, 0x02);
    raise(6);
    expect(take()).toBeUndefined();
    out(0x20, 0x68);
    expect(take()).toBe(0x26);
  });

  it('have lines for all inputs of the I/O APIC that devices use, of which no two are the same', () => {
    expect(lineOf(24)).toBeUndefined();
    const used = [0, 1, 2, 4, 8, 12, 13, ...VIRTIO_SLOTS.map(({ gsi }) => lineOf(gsi)!)];
    expect(new Set(used).size).toBe(used.length);
    for (const { line } of VIRTIO_SLOTS) {
      const { chips, raise, take } = initialized();
      chips.setLine(undefined, 1);
      expect(take()).toBeUndefined();
      raise(line);
      expect(take()).toBe(0x20 + line);
    }
  });
});
