import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/devices/bus.ts';
import { COM1 } from '../../src/devices/devices.ts';
import { SERIAL_QUEUE_BYTES, type Uart } from '../../src/devices/uart.ts';
import { ascii, type FakeHost, plugged } from './fake-host.ts';

const BASE = 0x3f8;
const [DATA, IER, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const IIR = FCR;

let bus: Bus;
let host: FakeHost;
let com1: Uart;
const get = (register: number) => bus.portIn(BASE + register, 1);
const put = (register: number, value: number) => bus.portOut(BASE + register, 1, value);
const line = () => host.levels.get(4) ?? 0;
const drain = () => {
  let text = '';
  while (get(LSR) & 1) text += String.fromCharCode(get(DATA));
  return text;
};

beforeEach(() => {
  const all = plugged([COM1]);
  bus = all.bus;
  host = all.host;
  com1 = all.device as Uart;
});

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

describe('interrupts', () => {
  const OUT2 = 8;

  test('nothing reaches the line before OUT2 opens the gate, or in loopback', () => {
    put(IER, 0x0f);
    com1.receive(ascii('x'));
    expect(get(IIR) & 0x0f).toBe(0x04);
    expect(host.levels.size).toBe(0);
    put(MCR, OUT2);
    expect(line()).toBe(1);
    put(MCR, OUT2 | 0x10);
    expect(line()).toBe(0);
    put(MCR, OUT2);
    expect(line()).toBe(1);
    put(MCR, 0);
    expect(line()).toBe(0);
  });

  test('the transmitter-empty interrupt comes when enabled and after each byte, and reading IIR takes it', () => {
    put(MCR, OUT2);
    expect(get(IIR)).toBe(1);
    put(IER, 2);
    expect(host.events).toEqual(['irq 4 = 1']);
    expect(get(IIR)).toBe(0x02);
    expect(get(IIR)).toBe(0x01);
    expect(line()).toBe(0);
    put(DATA, 0x41);
    expect(line()).toBe(1);
    put(DATA, 0x42);
    expect(host.events.slice(2)).toEqual(['serial A', 'irq 4 = 1', 'serial B', 'irq 4 = 0', 'irq 4 = 1']);
    expect(get(IIR)).toBe(0x02);
  });

  test('enabling again while enabled raises nothing, off and on does', () => {
    put(MCR, OUT2);
    put(IER, 2);
    get(IIR);
    put(IER, 2);
    expect(get(IIR)).toBe(1);
    put(IER, 0);
    put(IER, 2);
    expect(get(IIR)).toBe(2);
  });

  test('a string is one transmitter-empty interrupt', () => {
    put(MCR, OUT2);
    put(IER, 2);
    get(IIR);
    host.events.length = 0;
    bus.portOutString(BASE, 1, ascii('many bytes'));
    expect(host.events).toEqual(['serial many bytes', 'irq 4 = 1']);
  });

  test('clearing the transmit FIFO empties the transmitter', () => {
    put(FCR, 1);
    put(IER, 2);
    get(IIR);
    put(FCR, 5);
    expect(get(IIR)).toBe(0xc2);
  });

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('FCR %i: the trigger level is %i, below it is a time-out', (fcr, trigger) => {
    put(FCR, fcr);
    put(IER, 1);
    com1.receive(new Uint8Array(trigger - 1));
    expect(get(IIR)).toBe(trigger === 1 ? 0xc1 : 0xcc);
    com1.receive(ascii('x'));
    expect(get(IIR)).toBe(0xc4);
  });

  test('reading everything lowers the line', () => {
    put(MCR, OUT2);
    put(IER, 1);
    com1.receive(ascii('ab'));
    expect(line()).toBe(1);
    expect(drain()).toBe('ab');
    expect(line()).toBe(0);
    expect(get(IIR)).toBe(1);
  });

  test.each([0x00, 0x01, 0xc1])('FCR %i: a handler that takes one byte per edge gets them all', (fcr) => {
    put(FCR, fcr);
    put(MCR, OUT2);
    put(IER, 1);
    let edges = 0;
    let level = 0;
    const setIrq = host.setIrq;
    host.setIrq = (gsi, to) => {
      if (to > level) edges++;
      level = to;
      setIrq.call(host, gsi, to);
    };
    com1.receive(ascii('one byte per interrupt, please'));
    let text = '';
    for (; edges > 0; edges--) text += String.fromCharCode(get(DATA));
    expect(text).toBe('one byte per interrupt, please');
    expect(line()).toBe(0);
  });

  test('input enabled late interrupts at once', () => {
    com1.receive(ascii('x'));
    put(MCR, OUT2);
    put(IER, 1);
    expect(line()).toBe(1);
  });

  test('priorities: line status, data, transmitter, modem', () => {
    put(IER, 0x0f);
    put(MCR, 0x10);
    put(DATA, 1);
    put(DATA, 2);
    expect(get(IIR)).toBe(0x06);
    get(LSR);
    expect(get(IIR)).toBe(0x04);
    get(DATA);
    expect(get(IIR)).toBe(0x02);
    expect(get(IIR)).toBe(0x00);
    get(MSR);
    expect(get(IIR)).toBe(0x01);
  });

  test('an identification that names another source leaves the transmitter pending', () => {
    put(IER, 3);
    com1.receive(ascii('x'));
    expect(get(IIR)).toBe(0x04);
    get(DATA);
    expect(get(IIR)).toBe(0x02);
  });

  test('driving the line anew repeats what the record says', () => {
    put(MCR, OUT2);
    put(IER, 1);
    com1.receive(ascii('x'));
    host.events.length = 0;
    com1.driveIrq?.();
    expect(host.events).toEqual(['irq 4 = 1']);
    get(DATA);
    com1.driveIrq?.();
    expect(host.events).toEqual(['irq 4 = 1', 'irq 4 = 0', 'irq 4 = 0']);
  });
});
