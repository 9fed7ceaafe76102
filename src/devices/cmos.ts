/**
 * CMOS memory and real-time clock behind 0x70 and 0x71: the MC146818's clock in UTC, and the bytes in which a PC's
 * firmware stores the size of memory (register numbers as SeaBIOS and coreboot read them). It has no alarm and no periodic
 * interrupt, and never sets "update in progress", so a guest that waits for the end of an update does not wait.
 */
import { bytes, s64, u8 } from '../abi/types.ts';
import type { DeviceHost, DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';
import { decodeTime, encodeTime, isTimeRegister, STATUS_B, TIME_REGISTERS } from './rtc-time.ts';

const INDEX = 0x70;
const SIZE = 128;
/** The index port's top bit masks the NMI on a PC and selects nothing. */
const INDEX_BITS = SIZE - 1;

const STATUS = { A: 0x0a, B: 0x0b, C: 0x0c, D: 0x0d } as const;
/** Time base of 32,768 Hz and a rate of 1,024 Hz, as firmware sets it; the top bit is "update in progress". */
const STATUS_A_POWER_ON = 0x26;
const UPDATE_IN_PROGRESS = 0x80;
const BATTERY_GOOD = 0x80;

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

const FIELDS = {
  index: u8,
  /** Milliseconds that the guest's clock is ahead of the host's, since the guest set it. */
  clockAhead: s64,
  memory: bytes(SIZE),
};

/** CMOS memory with clock. Bytes not yet written read 0; those with the machine's size are read-only. */
export function cmos(): DeviceSpec {
  return declareDevice('cmos', FIELDS, {
    reset({ memory }) {
      memory[STATUS.A] = STATUS_A_POWER_ON;
      memory[STATUS.B] = STATUS_B.HOURS_24;
    },
    attach(r, host) {
      const { memory } = r;
      const fixed = sizeRegisters(host);
      const guestTime = () => host.now() + Number(r.clockAhead);

      function read(index: number): number {
        const size = fixed.get(index);
        if (size !== undefined) return size;
        const statusB = memory[STATUS.B]!;
        // While the guest sets the time, the clock is stopped and the registers are plain memory.
        if (isTimeRegister(index) && !(statusB & STATUS_B.SET)) return encodeTime(index, guestTime(), statusB);
        return memory[index]!;
      }

      function writeStatusB(value: number): void {
        const before = memory[STATUS.B]!;
        if (value & ~before & STATUS_B.SET)
          for (const index of TIME_REGISTERS) memory[index] = encodeTime(index, guestTime(), before);
        if (before & ~value & STATUS_B.SET) r.clockAhead = BigInt(Math.round(decodeTime(memory, value) - host.now()));
        memory[STATUS.B] = value;
      }

      function write(index: number, value: number): void {
        if (index === STATUS.B) writeStatusB(value);
        else if (index === STATUS.A) memory[index] = value & ~UPDATE_IN_PROGRESS;
        else if (index === STATUS.C || index === STATUS.D) return;
        else memory[index] = value;
      }

      return {
        ports: [{ base: INDEX, length: 2 }],
        // The index is write-only in hardware.
        read: (port) => (port === INDEX ? 0xff : read(r.index & INDEX_BITS)),
        write(port, _width, value) {
          if (port === INDEX) r.index = value;
          else write(r.index & INDEX_BITS, value);
          return undefined;
        },
      };
    },
  });
}

/** Registers that describe the machine, by index. */
function sizeRegisters(host: DeviceHost): Map<number, number> {
  const low = host.lowRamBytes ?? Math.min(host.ramBytes, 3 * GIB);
  const baseKib = Math.min(640, low / KIB);
  const extendedKib = between(0, (low - MIB) / KIB, 0xffff);
  const above16MibIn64Kib = between(0, (low - 16 * MIB) / (64 * KIB), 0xffff);
  const above4GibIn64Kib = between(0, (host.ramBytes - low) / (64 * KIB), 0xff_ffff);
  return new Map([
    [STATUS.C, 0],
    [STATUS.D, BATTERY_GOOD],
    ...littleEndian(0x15, 2, baseKib),
    ...littleEndian(0x17, 2, extendedKib),
    ...littleEndian(0x30, 2, extendedKib),
    ...littleEndian(0x34, 2, above16MibIn64Kib),
    ...littleEndian(0x5b, 3, above4GibIn64Kib),
    // Processors besides the first, as SeaBIOS waits for them.
    ...littleEndian(0x5f, 1, host.cpus - 1),
  ]);
}

const between = (least: number, value: number, most: number) => Math.max(least, Math.min(Math.trunc(value), most));

function littleEndian(index: number, length: number, value: number): [number, number][] {
  return Array.from({ length }, (_, i) => [index + i, Math.trunc(value / 256 ** i) & 0xff]);
}
