import { describe, expect, test } from 'vitest';
import { acpiEvents } from '../../src/devices/acpi-events.ts';
import { debugExit } from '../../src/devices/debug-exit.ts';
import { debugcon } from '../../src/devices/debugcon.ts';
import { fwCfg } from '../../src/devices/fw-cfg.ts';
import { irqPorts } from '../../src/devices/irq-ports.ts';
import { isaDebugExit } from '../../src/devices/isa-debug-exit.ts';
import { emptyPci } from '../../src/devices/pci.ts';
import { acpiPower, shutdownPort, systemControl } from '../../src/devices/power.ts';
import { post, testPorts } from '../../src/devices/stores.ts';
import { ascii, fakeHost, plugged } from './fake-host.ts';

describe('debug exit', () => {
  test.each([
    [1, 0x2a],
    [2, 0xbeef],
    [4, 0xffff_fff0],
  ] as const)('%i bytes: the value is the answer', (width, value) => {
    const { bus } = plugged([debugExit()]);
    expect(bus.portOut(0xf4, width, value)).toEqual({ kind: 'exit', value });
    expect(bus.portIn(0xf4, width)).toBe(0);
  });

  test('a string ends with its first element', () => {
    const { bus } = plugged([debugExit()]);
    expect(bus.portOutString(0xf4, 1, Uint8Array.of(7, 8))).toEqual({ kind: 'exit', value: 7 });
  });
});

describe("QEMU's debug exit", () => {
  test.each([
    [1, 0x15, 0x2b],
    [2, 0xbeef, 0x1_7ddf],
    [4, 0xffff_fff0, 0xffff_ffe1],
  ] as const)('%i bytes: the answer is the value, doubled, and one', (width, value, answer) => {
    const { bus } = plugged([debugExit(), isaDebugExit(0x501)]);
    expect(bus.portOut(0x501, width, value)).toEqual({ kind: 'exit', value: answer });
    expect(bus.portIn(0x501, width)).toBe(0);
  });
});

describe('debug console', () => {
  test('bytes and strings go out, and reading tells that it is there', () => {
    const { bus, host } = plugged([debugcon(), debugcon(0x402)]);
    expect([bus.portIn(0xe9, 1), bus.portIn(0x402, 1)]).toEqual([0xe9, 0xe9]);
    bus.portOut(0xe9, 1, 0x41);
    bus.portOutString(0x402, 1, ascii('BIOS\n'));
    expect(host.events).toEqual(['debugcon A', 'debugcon BIOS\n']);
  });
});

describe('ports that remember', () => {
  test('the last POST code', () => {
    const { bus, buffer } = plugged([post()]);
    bus.portOut(0x80, 1, 0x12);
    bus.portOutString(0x80, 1, Uint8Array.of(1, 0x34));
    expect(bus.portIn(0x80, 1)).toBe(0x34);
    expect(new Uint8Array(buffer)[64]).toBe(0x34);
  });

  test('test ports: each width reads what each other wrote', () => {
    const { bus } = plugged([testPorts()]);
    bus.portOut(0xe0, 4, 0x12345678);
    expect([0xe0, 0xe1, 0xe2, 0xe3].map((port) => bus.portIn(port, 1))).toEqual([0x78, 0x56, 0x34, 0x12]);
    bus.portOut(0xe2, 2, 0xabcd);
    expect(bus.portIn(0xe0, 4)).toBe(0xabcd5678);
    bus.portOut(0xe1, 1, 0xff);
    expect(bus.portIn(0xe0, 2)).toBe(0xff78);
  });
});

describe('interrupt lines by hand', () => {
  test('a write sets the line of its number, a read gives it back', () => {
    const { bus, host } = plugged([irqPorts()]);
    bus.portOut(0x2005, 1, 1);
    bus.portOut(0x2017, 1, 0x80);
    bus.portOut(0x2005, 1, 0);
    expect(host.events).toEqual(['irq 5 = 1', 'irq 23 = 1', 'irq 5 = 0']);
    expect([bus.portIn(0x2005, 1), bus.portIn(0x2017, 1)]).toEqual([0, 1]);
  });
});

describe("ACPI's events", () => {
  test('none ever happens; which are enabled reads back', () => {
    const { bus } = plugged([acpiEvents(), acpiPower()]);
    expect(bus.portOut(0x600, 2, 0xffff)).toBe(undefined);
    expect(bus.portOut(0x602, 2, 0x0120)).toBe(undefined);
    expect([bus.portIn(0x600, 2), bus.portIn(0x602, 2), bus.portIn(0x600, 4)]).toEqual([0, 0x120, 0x0120_0000]);
    expect([bus.portOut(0x603, 1, 0x02), bus.portIn(0x602, 2)]).toEqual([undefined, 0x220]);
  });
});

describe('switching off', () => {
  test.each([0x604, 0xb004, 0x4004])('SLP_EN at port %i, whole or by its upper byte', (port) => {
    const { bus } = plugged([acpiPower()]);
    expect(bus.portOut(port, 2, 0x0001)).toBe(undefined);
    expect(bus.portIn(port, 2)).toBe(1);
    expect(bus.portOut(port, 2, 0x2000)).toEqual({ kind: 'poweroff' });
    expect(bus.portOut(port, 2, 0x3401)).toEqual({ kind: 'poweroff' });
    expect(bus.portIn(port, 2)).toBe(0x1401);
    expect(bus.portOut(port, 1, 0x20)).toBe(undefined);
    expect(bus.portOut(port + 1, 1, 0x20)).toEqual({ kind: 'poweroff' });
    expect(bus.portIn(port, 2)).toBe(0x0020);
  });

  test('the three registers are apart', () => {
    const { bus } = plugged([acpiPower()]);
    bus.portOut(0x604, 2, 1);
    bus.portOut(0xb004, 2, 2);
    bus.portOut(0x4004, 2, 3);
    expect([0x604, 0xb004, 0x4004].map((port) => bus.portIn(port, 2))).toEqual([1, 2, 3]);
  });

  test.each([
    ['Shutdown', true],
    ['ShutShutdown', true],
    ['SShutdown', true],
    ['Shutdow', false],
    ['shutdown', false],
    ['Shut down', false],
  ])('%s on port 0x8900: %s', (text, off) => {
    const expected = off ? { kind: 'poweroff' } : undefined;
    expect(plugged([shutdownPort()]).bus.portOutString(0x8900, 1, ascii(text))).toEqual(expected);
    const { bus } = plugged([shutdownPort()]);
    const answers = [...ascii(text)].map((byte) => bus.portOut(0x8900, 1, byte));
    expect(answers.at(-1)).toEqual(expected);
    expect(answers.slice(0, -1).every((answer) => answer === undefined)).toBe(true);
  });
});

describe('port 0x92', () => {
  test('A20 is on and reads back; bit 0 resets', () => {
    const { bus } = plugged([systemControl()]);
    expect(bus.portIn(0x92, 1)).toBe(2);
    expect(bus.portOut(0x92, 1, 0)).toBe(undefined);
    expect(bus.portIn(0x92, 1)).toBe(0);
    expect(bus.portOut(0x92, 1, 3)).toEqual({ kind: 'reset' });
    expect(bus.portIn(0x92, 1)).toBe(2);
  });
});

describe('empty PCI bus', () => {
  test('the address reads back, every device is absent', () => {
    const { bus } = plugged([emptyPci()]);
    bus.portOut(0xcf8, 4, 0x8000_0003);
    expect(bus.portIn(0xcf8, 4)).toBe(0x8000_0000);
    bus.portOut(0xcfc, 4, 0);
    expect([bus.portIn(0xcfc, 4), bus.portIn(0xcfe, 2), bus.portIn(0xcff, 1)]).toEqual([0xffffffff, 0xffff, 0xff]);
    expect(bus.portIn(0xcf8, 4)).toBe(0x8000_0000);
  });

  test('bytes and words do not reach the address register, so mechanism 2 is not found', () => {
    const { bus } = plugged([emptyPci()]);
    bus.portOut(0xcfb, 1, 0);
    bus.portOut(0xcf8, 1, 0);
    bus.portOut(0xcfa, 2, 0);
    expect([bus.portIn(0xcf8, 1), bus.portIn(0xcfa, 1), bus.portIn(0xcf8, 2)]).toEqual([0xff, 0xff, 0xffff]);
    expect(bus.portIn(0xcf8, 4)).toBe(0);
  });

  test('the reset control between them: bits read back, bit 2 resets', () => {
    const { bus } = plugged([emptyPci()]);
    expect(bus.portOut(0xcf9, 1, 0x02)).toBe(undefined);
    expect(bus.portIn(0xcf9, 1)).toBe(0x02);
    expect(bus.portOut(0xcf9, 1, 0x06)).toEqual({ kind: 'reset' });
    expect(bus.portOut(0xcf8, 4, 0x8000_0600)).toBe(undefined);
  });
});

describe('fw_cfg', () => {
  const item = (bus: ReturnType<typeof plugged>['bus'], key: number, length: number) => {
    bus.portOut(0x510, 2, key);
    const data = new Uint8Array(length);
    bus.portInString(0x511, 1, data);
    return [...data];
  };

  test('signature, identification, RAM size, processors', () => {
    const host = fakeHost();
    host.ramBytes = 5 * 2 ** 30;
    host.cpus = 300;
    const { bus } = plugged([fwCfg()], host);
    expect(item(bus, 0, 6)).toEqual([...ascii('QEMU'), 0, 0]);
    expect(item(bus, 1, 4)).toEqual([1, 0, 0, 0]);
    expect(item(bus, 3, 8)).toEqual([0, 0, 0, 0x40, 1, 0, 0, 0]);
    expect(item(bus, 5, 2)).toEqual([300 - 256, 1]);
    expect(item(bus, 15, 3)).toEqual([300 - 256, 1, 0]);
  });

  test('no files, no unknown items, no writing, and selecting starts from the first byte', () => {
    const { bus } = plugged([fwCfg()]);
    expect(item(bus, 0x19, 4)).toEqual([0, 0, 0, 0]);
    expect(item(bus, 0xffff, 2)).toEqual([0, 0]);
    expect(item(bus, 0, 2)).toEqual([...ascii('QE')]);
    bus.portOut(0x511, 1, 0x41);
    expect(bus.portIn(0x511, 1)).toBe(0x4d);
    expect(item(bus, 0, 1)).toEqual([...ascii('Q')]);
    expect(bus.portIn(0x510, 2)).toBe(0xffff);
  });
});
