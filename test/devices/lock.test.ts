import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Bus } from '../../src/devices/bus.ts';
import { attachDevices, createDeviceState, DEVICE_SPECS, deviceLock } from '../../src/devices/devices.ts';
import { StateLock } from '../../src/devices/lock.ts';
import { openSerialInput } from '../../src/devices/serial-input.ts';
import { UsageError } from '../../src/errors.ts';
import { thrown } from '../support/thrown.ts';
import { fakeHost } from './fake-host.ts';
import type { LockWork } from './lock-worker.ts';

function start<T>(work: LockWork): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./lock-worker.js', import.meta.url), { workerData: work });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe('one thread', () => {
  test('the lock is free again after use, also after an error', () => {
    const buffer = new SharedArrayBuffer(16);
    const lock = new StateLock(buffer);
    expect(lock.withLock(() => new Int32Array(buffer)[0])).toBe(1);
    expect(() =>
      lock.withLock(() => {
        throw new RangeError('inside');
      }),
    ).toThrow('inside');
    expect(new Int32Array(buffer)[0]).toBe(0);
    expect(lock.withLock(() => 7)).toBe(7);
  });

  test('what is for afterwards is called once, when the lock is free, and at once where it is', () => {
    const buffer = new SharedArrayBuffer(16);
    const lock = new StateLock(buffer);
    const seen: number[] = [];
    const call = () => void seen.push(new Int32Array(buffer)[0]!);
    lock.withLock(() => {
      lock.afterwards(call);
      lock.afterwards(call);
      expect(seen).toEqual([]);
    });
    expect(seen).toEqual([0]);
    lock.withLock(() => {});
    expect(seen).toEqual([0]);
    lock.afterwards(call);
    expect(seen).toEqual([0, 0]);
  });

  test('a callback that comes back into the bus is told so instead of waiting for itself', () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const host = fakeHost();
    const bus = new Bus({ lock: deviceLock(buffer) });
    attachDevices(DEVICE_SPECS, buffer, { ...host, output: () => void bus.portIn(0x3fd, 1) }, bus);
    expect(thrown(UsageError, () => bus.portOut(0x3f8, 1, 0x41)).message).toContain('used the bus that called it');
    expect(bus.portIn(0x3fd, 1)).toBe(0x60);
  });

  test('a bus with a lock takes it for every kind of access, one without does not', () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const word = new Int32Array(buffer, 0, 1);
    const seen: number[] = [];
    const host = { ...fakeHost(), output: () => void seen.push(word[0]!) };
    const locked = new Bus({ lock: deviceLock(buffer) });
    const free = new Bus();
    for (const bus of [locked, free]) {
      attachDevices(DEVICE_SPECS, buffer, host, bus);
      bus.portOut(0x3f8, 1, 0x41);
      bus.portOutString(0x3f8, 1, new Uint8Array(2));
      bus.attach({
        name: 'window',
        mmio: [{ base: 0, length: 4 }],
        read: () => seen.push(word[0]!),
        write: () => void seen.push(word[0]!),
      });
      bus.mmioRead(0, new Uint8Array(1));
      bus.mmioWrite(0, new Uint8Array(1));
    }
    expect(seen).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
    expect(word[0]).toBe(0);
  });
});

describe('several threads', () => {
  test('nobody loses an update', async () => {
    const buffer = new SharedArrayBuffer(16);
    const rounds = 100_000;
    const done = await Promise.all([1, 2, 3].map(() => start<number>({ job: 'count', buffer, rounds })));
    expect(done).toEqual([rounds, rounds, rounds]);
    expect(new Float64Array(buffer, 8, 1)[0]).toBe(3 * rounds);
    expect(new Int32Array(buffer)[0]).toBe(0);
  });

  test('a waiting thread sleeps and is woken', async () => {
    const buffer = new SharedArrayBuffer(16);
    const lock = new StateLock(buffer);
    lock.acquire();
    const worker = start<number>({ job: 'count', buffer, rounds: 1 });
    const word = new Int32Array(buffer);
    while (Atomics.load(word, 0) !== 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(new Float64Array(buffer, 8, 1)[0]).toBe(0);
    lock.release();
    expect(await worker).toBe(1);
  });

  test('two threads read what a third types: every byte arrives, and only once', async () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const host = fakeHost();
    const bus = new Bus({ lock: deviceLock(buffer) });
    attachDevices(DEVICE_SPECS, buffer, host, bus);
    bus.portOut(0x3fa, 1, 1);
    const readers = [1, 2].map(() => start<number[]>({ job: 'read-serial', buffer, rounds: 0 }));
    const input = openSerialInput(DEVICE_SPECS, buffer, host);
    const sent = Array.from({ length: 20_000 }, (_, i) => 1 + (i % 255));
    for (let at = 0; at < sent.length; ) {
      const accepted = input.receive(Uint8Array.from(sent.slice(at, at + 100)));
      at += accepted;
      if (accepted === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    while (bus.portIn(0x3fd, 1) & 1 || input.room() < 4096) await new Promise((resolve) => setTimeout(resolve, 1));
    bus.portOut(0x80, 1, 1);
    const [first, second] = await Promise.all(readers);
    const tally = (bytes: number[]) => {
      const counts = new Uint32Array(256);
      for (const byte of bytes) counts[byte]!++;
      return counts;
    };
    expect(first!.length + second!.length).toBe(sent.length);
    expect(tally([...first!, ...second!])).toEqual(tally(sent));
  });
});
