/** A thread of the lock tests: hammers what it is told to hammer over shared device state, then reports. */
import { parentPort, workerData } from 'node:worker_threads';
import { Bus } from '../../src/devices/bus.ts';
import type { DeviceHost } from '../../src/devices/device.ts';
import { attachDevices, DEVICE_SPECS, deviceLock } from '../../src/devices/devices.ts';
import { StateLock } from '../../src/devices/lock.ts';

/** What a worker is started with. */
export interface LockWork {
  readonly job: 'count' | 'read-serial';
  readonly buffer: SharedArrayBuffer;
  readonly rounds: number;
}

const { job, buffer, rounds } = workerData as LockWork;

/** Adds to a plain counter behind the lock word; without the lock, updates would be lost. */
function count(): number {
  const lock = new StateLock(buffer);
  const counter = new Float64Array(buffer, 8, 1);
  for (let i = 0; i < rounds; i++)
    lock.withLock(() => {
      counter[0] = counter[0]! + 1;
    });
  return rounds;
}

/** Takes bytes from the serial port until bit 0 of the POST port says that no more will come. Zeros are no bytes. */
function readSerial(): number[] {
  const silent: DeviceHost = { setIrq() {}, output() {}, ramBytes: 2 ** 20, cpus: 2, now: () => 0 };
  const bus = new Bus({ lock: deviceLock(buffer) });
  attachDevices(DEVICE_SPECS, buffer, silent, bus);
  const taken: number[] = [];
  const two = new Uint8Array(2);
  for (;;) {
    if ((bus.portIn(0x80, 1) & 1) === 1) return taken;
    bus.portInString(0x3f8, 1, two);
    for (const byte of two) if (byte) taken.push(byte);
  }
}

parentPort?.postMessage(job === 'count' ? count() : readSerial());
