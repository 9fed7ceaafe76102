/** COM1 on a bus of its own, for tests of the serial port. */
import type { Bus } from '../../src/devices/bus.ts';
import { COM1 } from '../../src/devices/devices.ts';
import type { Uart } from '../../src/devices/uart.ts';
import { type FakeHost, plugged } from './fake-host.ts';

export const BASE = 0x3f8;
export const [DATA, IER, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
export const IIR = FCR;

export let bus: Bus;
export let host: FakeHost;
export let com1: Uart;

/** Reads a register. */
export const get = (register: number) => bus.portIn(BASE + register, 1);
/** Writes a register. */
export const put = (register: number, value: number) => bus.portOut(BASE + register, 1, value);
/** Level of the interrupt line. */
export const line = () => host.levels.get(4) ?? 0;
/** Polls until nothing more has come. */
export const drain = () => {
  let text = '';
  while (get(LSR) & 1) text += String.fromCharCode(get(DATA));
  return text;
};

/** Puts a new one in its place; to be called before each test. */
export function renew(): void {
  const all = plugged([COM1]);
  bus = all.bus;
  host = all.host;
  com1 = all.device as Uart;
}
