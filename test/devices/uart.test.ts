import { beforeEach, describe, expect, test } from 'vitest';
import { SERIAL_QUEUE_BYTES } from '../../src/devices/uart.ts';
import { BASE, bus, com1, DATA, drain, FCR, get, host, IER, IIR, LCR, LSR, MCR, MSR, put, renew, SCR } from './com1.ts';
import { ascii } from './fake-host.ts';

beforeEach(renew);

describe('registers', () => {
  test('the divisor latch reads back and hides data and interrupt enable', () => {
    put(IER, 5);
    put(LCR, 0x83);
    expect([get(DATA), get(IER)]).toEqual([12, 0]);
    put(DATA, 0x01);
    put(IER, 0xc2);
    expect([get(DATA), get(IER), get(LCR)]).toEqual([0x01, 0xc2, 0x83]);
    expect(host.events).toEqual([]);
    put(LCR, 0x03);
    expect(get(IER)).toBe(5);
  });

  test.each([
    [IER, 0x0f],
    [LCR, 0xff],
    [MCR, 0x1f],
    [SCR, 0xff],
  ])('register %i reads back the bits of mask %i', (register, mask) => {
    for (const value of [0x00, 0xff, 0xa5, 0x5a]) {
      put(register, value);
      expect(get(register)).toBe(value & mask);
    }
  });

  test('writing line and modem status changes nothing', () => {
    const before = [get(LSR), get(MSR)];
    put(LSR, 0xff);
    put(MSR, 0xff);
    expect([get(LSR), get(MSR)]).toEqual(before);
  });

  test('it is recognised as a 16550A by its FIFO bits', () => {
    expect(get(IIR)).toBe(0x01);
    put(FCR, 0x01);
    expect(get(IIR)).toBe(0xc1);
    put(FCR, 0x00);
    expect(get(IIR)).toBe(0x01);
  });

  test('no interrupt source, no FIFO: the state after power-on', () => {
    expect([get(IER), get(IIR), get(LCR), get(MCR), get(LSR), get(MSR), get(SCR)]).toEqual([0, 1, 0, 0, 0x60, 0xb0, 0]);
  });
});

describe('output', () => {
  test('bytes go out in order, and the transmitter is always empty', () => {
    for (const byte of ascii('hi')) put(DATA, byte);
    expect(host.sent('serial')).toBe('hi');
    expect(get(LSR) & 0x60).toBe(0x60);
  });

  test('a string is one output call', () => {
    bus.portOutString(BASE, 1, ascii('a whole line\n'));
    expect(host.events).toEqual(['serial a whole line\n']);
  });

  test('a string to the divisor latch or another register is single writes', () => {
    put(LCR, 0x80);
    bus.portOutString(BASE, 1, Uint8Array.of(3, 7));
    expect(get(DATA)).toBe(7);
    bus.portOutString(BASE + SCR, 1, Uint8Array.of(1, 2));
    expect(get(SCR)).toBe(2);
    expect(host.calls).toBe(0);
  });

  test('a 16-bit write reaches data and interrupt enable', () => {
    bus.portOut(BASE, 2, 0x0141);
    expect(host.sent('serial')).toBe('A');
    expect(get(IER)).toBe(1);
  });
});

describe('polled input', () => {
  test('data ready tells, reading takes', () => {
    expect(get(LSR) & 1).toBe(0);
    expect(com1.receive(ascii('ok'))).toBe(2);
    expect(drain()).toBe('ok');
    expect(get(DATA)).toBe(0);
    expect(host.levels.size).toBe(0);
  });

  test('a string read takes byte after byte', () => {
    com1.receive(ascii('abcd'));
    const data = new Uint8Array(6);
    bus.portInString(BASE, 1, data);
    expect([...data]).toEqual([...ascii('abcd'), 0, 0]);
  });

  test.each([0x00, 0x01, 0xc1])('FCR %i: a full queue arrives complete and in order', (fcr) => {
    put(FCR, fcr);
    const sent = Uint8Array.from({ length: SERIAL_QUEUE_BYTES }, (_, i) => (i * 7) & 0xff);
    expect(com1.receive(sent)).toBe(SERIAL_QUEUE_BYTES);
    const got: number[] = [];
    while (get(LSR) & 1) got.push(get(DATA));
    expect(got).toEqual([...sent]);
  });

  test('the queue pushes back when full and takes again when read', () => {
    expect(com1.room()).toBe(SERIAL_QUEUE_BYTES);
    expect(com1.receive(new Uint8Array(5000))).toBe(SERIAL_QUEUE_BYTES);
    expect(com1.receive(ascii('x'))).toBe(0);
    expect(com1.room()).toBe(0);
    get(DATA);
    expect(com1.room()).toBe(1);
    expect(com1.receive(ascii('xy'))).toBe(1);
  });

  test('input pushed before the guest sets its port up is not lost', () => {
    com1.receive(ascii('early'));
    put(IER, 0);
    put(LCR, 0x80);
    put(DATA, 1);
    put(IER, 0);
    put(LCR, 3);
    put(FCR, 0xc7);
    put(MCR, 0x0b);
    expect(drain()).toBe('early');
  });

  test('a FIFO reset drops what had arrived, at most 16 bytes, and not the wire', () => {
    put(FCR, 0x01);
    com1.receive(ascii('0123456789abcdefrest'));
    expect(get(LSR) & 1).toBe(1);
    put(FCR, 0x03);
    expect(drain()).toBe('rest');
  });

  test('without the enable bit the reset bits do nothing', () => {
    com1.receive(ascii('x'));
    expect(get(LSR) & 1).toBe(1);
    put(FCR, 0x06);
    expect(drain()).toBe('x');
  });

  test('switching the FIFOs on or off clears them', () => {
    com1.receive(ascii('x'));
    expect(get(LSR) & 1).toBe(1);
    put(FCR, 0x01);
    expect(get(LSR) & 1).toBe(0);
  });
});

describe('loopback', () => {
  test('modem outputs feed modem inputs, each to its own', () => {
    put(MCR, 0x10);
    expect(get(MSR) & 0xf0).toBe(0);
    const feeds: number[][] = [];
    for (const output of [1, 2, 4, 8]) {
      put(MCR, 0x10 | output);
      feeds.push([output, get(MSR) & 0xf0]);
    }
    expect(feeds).toEqual([
      [1, 0x20],
      [2, 0x10],
      [4, 0x40],
      [8, 0x80],
    ]);
  });

  test("the pattern of Linux's autoconfiguration", () => {
    put(MCR, 0x10 | 0x0a);
    expect(get(MSR) & 0xf0).toBe(0x90);
  });

  test('deltas: every change is told once, ring only when it ends', () => {
    get(MSR);
    put(MCR, 0x10);
    expect(get(MSR)).toBe(0x0b);
    expect(get(MSR)).toBe(0x00);
    put(MCR, 0x14);
    expect(get(MSR)).toBe(0x40);
    put(MCR, 0x10);
    expect(get(MSR)).toBe(0x04);
  });

  test('what is sent comes back and does not go out', () => {
    put(MCR, 0x10);
    put(FCR, 1);
    bus.portOutString(BASE, 1, ascii('back'));
    expect(drain()).toBe('back');
    expect(host.calls).toBe(0);
  });

  test('the wire waits while the port talks to itself', () => {
    put(MCR, 0x10);
    com1.receive(ascii('later'));
    put(DATA, 0x21);
    expect(drain()).toBe('!');
    put(MCR, 0);
    expect(drain()).toBe('later');
  });

  test.each([
    [0, '2', 'the newer byte stays'],
    [1, '0123456789abcdef', 'the newest is lost'],
  ])('an overrun with FCR %i: %s', (fcr, kept) => {
    put(FCR, fcr);
    put(MCR, 0x10);
    for (const byte of ascii(fcr ? '0123456789abcdefX' : '12')) put(DATA, byte);
    expect(get(LSR)).toBe(0x63);
    expect(get(LSR)).toBe(0x61);
    expect(drain()).toBe(kept);
  });
});
