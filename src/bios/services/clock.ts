/** INT 1Ah: ticks since midnight, and the date and time of the real-time clock. */
import type { BiosCall } from '../call.ts';
import { BDA } from '../layout.ts';
import { byFunction, type Interrupt } from '../service.ts';

const RTC = { INDEX: 0x70, DATA: 0x71, SECONDS: 0, MINUTES: 2, HOURS: 4, DAY: 7, MONTH: 8, YEAR: 9, B: 0x0b } as const;
const CENTURY = 0x20;
const B = { SET: 0x80 } as const;

function readRtc({ host }: BiosCall, index: number): number {
  host.portOut(RTC.INDEX, 1, index);
  return host.portIn(RTC.DATA, 1);
}

function writeRtc({ host }: BiosCall, index: number, value: number): void {
  host.portOut(RTC.INDEX, 1, index);
  host.portOut(RTC.DATA, 1, value);
}

/** Sets registers while the clock stands. */
function setRtc(call: BiosCall, values: readonly (readonly [index: number, value: number])[]): void {
  const before = readRtc(call, RTC.B);
  writeRtc(call, RTC.B, before | B.SET);
  for (const [index, value] of values) writeRtc(call, index, value);
  writeRtc(call, RTC.B, before & ~B.SET);
  call.carry = false;
}

function ticks(call: BiosCall): void {
  const now = call.dword(BDA.TICKS);
  call.c.x = now >>> 16;
  call.d.x = now;
  call.a.l = call.byte(BDA.MIDNIGHT);
  call.setByte(BDA.MIDNIGHT, 0);
}

function setTicks(call: BiosCall): void {
  call.setWord(BDA.TICKS, call.d.x);
  call.setWord(BDA.TICKS + 2, call.c.x);
  call.setByte(BDA.MIDNIGHT, 0);
}

/** Numbers are as the clock has them: decimal digits, four bits each. */
function time(call: BiosCall): void {
  call.c.h = readRtc(call, RTC.HOURS);
  call.c.l = readRtc(call, RTC.MINUTES);
  call.d.h = readRtc(call, RTC.SECONDS);
  call.d.l = readRtc(call, RTC.B) & 1;
  call.carry = false;
}

function date(call: BiosCall): void {
  call.c.h = CENTURY;
  call.c.l = readRtc(call, RTC.YEAR);
  call.d.h = readRtc(call, RTC.MONTH);
  call.d.l = readRtc(call, RTC.DAY);
  call.carry = false;
}

const setTime = (call: BiosCall) =>
  setRtc(call, [
    [RTC.HOURS, call.c.h],
    [RTC.MINUTES, call.c.l],
    [RTC.SECONDS, call.d.h],
  ]);

const setDate = (call: BiosCall) =>
  setRtc(call, [
    [RTC.YEAR, call.c.l],
    [RTC.MONTH, call.d.h],
    [RTC.DAY, call.d.l],
  ]);

/** INT 1Ah. */
export const CLOCK: Interrupt = {
  services: byFunction([
    [0x00, 'ticks', ticks],
    [0x01, 'set ticks', setTicks],
    [0x02, 'time', time],
    [0x03, 'set time', setTime],
    [0x04, 'date', date],
    [0x05, 'set date', setDate],
  ]),
  absent: [
    [0x06, 'this clock has no alarm'],
    [0xb1, 'this machine has no PCI BIOS: its PCI bus is empty'],
    [0xbb, 'this machine has no TPM'],
  ],
};
