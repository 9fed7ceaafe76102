import { beforeEach, describe, expect, test } from 'vitest';
import { BASE, bus, com1, DATA, drain, FCR, get, host, IER, IIR, LSR, line, MCR, MSR, put, renew } from './com1.ts';
import { ascii } from './fake-host.ts';

beforeEach(renew);

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
});
