/** The block device as a driver sees it. */
import { truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { REG, STATUS } from '../../../src/devices/virtio/registers.ts';
import { imageByte, testDevice } from './support.ts';

const SECTORS = 80;
const BYTES = SECTORS * 512;
const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];
const DATA = 0x40000;

describe('virtio over MMIO', () => {
  it('names itself, and offers what it has', () => {
    using test = testDevice(BYTES);
    const { driver } = test;
    expect([REG.MAGIC, REG.VERSION, REG.DEVICE_ID, REG.QUEUE_SIZE_MAX].map((at) => driver.get(at))).toEqual([
      0x74726976, 2, 2, 256,
    ]);
    expect(driver.features() >> 32n).toBe(0x101n); // version 1, ring reset
    expect(driver.get(REG.CONFIG)).toBe(SECTORS);
    expect(driver.get(REG.CONFIG + 20)).toBe(512);
    expect(driver.get(REG.CONFIG + 26, 2)).toBe(8);
    expect(driver.get(REG.CONFIG + 0x200)).toBe(0);
  });

  it('does not accept features that it did not offer, nor a driver of the old kind', () => {
    using test = testDevice(BYTES);
    const { driver } = test;
    const settle = (low: number, high: number) => {
      driver.set(REG.STATUS, 0);
      driver.set(REG.STATUS, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
      for (const [word, bits] of [low, high].entries()) {
        driver.set(REG.DRIVER_FEATURES_SEL, word);
        driver.set(REG.DRIVER_FEATURES, bits);
      }
      driver.set(REG.STATUS, STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK);
      return (driver.get(REG.STATUS) & STATUS.FEATURES_OK) !== 0;
    };
    expect([settle(0, 1), settle(0, 0), settle(1, 1), settle(0, 3)]).toEqual([true, false, false, false]);
  });

  it('reads, writes and reads back, in one interrupt each that the driver takes away', () => {
    using test = testDevice(BYTES);
    const { driver, ram, host } = test;
    driver.start();
    expect(driver.request(IN, 3, 1024)).toEqual({ status: 0, written: 1025 });
    expect([...ram.read(DATA, 1024)]).toEqual(Array.from({ length: 1024 }, (_, i) => imageByte(3 * 512 + i)));
    expect(host.levels.get(16)).toBe(1);
    expect(driver.get(REG.INTERRUPT_STATUS)).toBe(1);
    driver.set(REG.INTERRUPT_ACK, 1);
    expect(host.levels.get(16)).toBe(0);
    ram.write(DATA, new Uint8Array(1024).fill(0xa5));
    expect(driver.request(OUT, 4, 1024)).toEqual({ status: 0, written: 1 });
    ram.zero(DATA, 1024);
    expect(driver.request(IN, 5, 512)).toEqual({ status: 0, written: 513 });
    expect(ram.read(DATA, 512).every((byte) => byte === 0xa5)).toBe(true);
    expect(driver.request(FLUSH, 0, 0)).toEqual({ status: 0, written: 1 });
  });

  it('tells its name, discards, writes zeros, and refuses what it does not know', () => {
    using test = testDevice(BYTES);
    const { driver, ram } = test;
    driver.start();
    expect(driver.request(GET_ID, 0, 20, { write: true })).toEqual({ status: 0, written: 21 });
    expect(Buffer.from(ram.read(DATA, 13)).toString()).toBe('vmlapse-disk0');
    const range = new Uint8Array(16);
    new DataView(range.buffer).setBigUint64(0, 8n, true);
    new DataView(range.buffer).setUint32(8, 9, true);
    ram.write(DATA, range);
    expect(driver.request(WRITE_ZEROES, 0, 16)).toEqual({ status: 0, written: 1 });
    ram.write(DATA, range);
    expect(driver.request(DISCARD, 0, 16)).toEqual({ status: 0, written: 1 });
    driver.request(IN, 7, 11 * 512);
    const read = ram.read(DATA, 11 * 512);
    expect(read.findIndex((byte, at) => byte !== (at < 512 || at >= 10 * 512 ? imageByte(7 * 512 + at) : 0))).toBe(-1);
    expect(driver.request(99, 0, 512)).toEqual({ status: 2, written: 1 });
  });

  it('answers an error for what is no sector of it, and goes on', () => {
    using test = testDevice(BYTES, { readOnly: true });
    const { driver, notes } = test;
    driver.start();
    expect(driver.request(IN, SECTORS, 512).status).toBe(1);
    expect(driver.request(IN, 2 ** 40, 512).status).toBe(1);
    expect(driver.request(IN, 0, 100).status).toBe(1);
    expect(driver.request(OUT, 0, 512).status).toBe(1);
    expect(driver.request(DISCARD, 0, 16).status).toBe(2);
    expect(driver.request(IN, 0, 512).status).toBe(0);
    expect(notes.length).toBe(2);
  });

  it('answers an error when the image cannot be read, and tells the user once', () => {
    using test = testDevice(BYTES);
    const { driver, notes } = test;
    driver.start();
    truncateSync(test.path, 512);
    expect(driver.request(IN, 0, 512).status).toBe(0);
    expect(driver.request(IN, 8, 512).status).toBe(1);
    expect(driver.request(IN, 9, 512).status).toBe(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^disk 0: the disk image ends at byte 4096, and had 40960 .*I\/O error$/);
  });

  it('takes a chain of many buffers, cut anywhere, and of an indirect table', () => {
    using test = testDevice(BYTES);
    const { driver, ram } = test;
    driver.start();
    ram.write(0x30000, new Uint8Array(16));
    const pieces = [
      { gpa: 0x30000, length: 5 },
      { gpa: 0x30005, length: 11 },
      { gpa: DATA, length: 100, write: true },
      { gpa: DATA + 100, length: 0, write: true },
      { gpa: DATA + 100, length: 413, write: true },
    ];
    driver.offer(pieces);
    driver.notify();
    expect(driver.takeUsed()).toEqual([[0, 513]]);
    expect([...ram.read(DATA, 513)]).toEqual([...Array.from({ length: 512 }, (_, i) => imageByte(i)), 0]);
    const table = 0x50000;
    pieces.forEach((piece, i) => {
      driver.descriptor(table, i, piece, i < 4 ? 1 : 0, i + 1);
    });
    ram.zero(DATA, 513);
    driver.descriptor(driver.descriptors, 5, { gpa: table, length: 16 * 5 }, 4, 0);
    driver.makeAvailable(5);
    driver.notify();
    expect(driver.takeUsed()).toEqual([[5, 513]]);
    expect([...ram.read(DATA, 2)]).toEqual([imageByte(0), imageByte(1)]);
  });

  it('works on all that waits when it is told once, and wraps around the ring and 2^16', () => {
    using test = testDevice(BYTES, { size: 4 });
    const { driver, ram } = test;
    driver.start();
    ram.write(0x30000, new Uint8Array(16));
    const flush = [
      { gpa: 0x30000, length: 16 },
      { gpa: 0x30020, length: 1, write: true },
    ];
    ram.write(0x30000, Uint8Array.of(FLUSH!));
    for (let round = 0; round < 33_000; round++) {
      driver.offer(flush);
      driver.offer(flush);
      driver.notify();
      if (driver.takeUsed().length !== 2) throw new Error(`round ${round}: not both were used`);
    }
  });

  it('forgets its queue at a reset, and serves a new one', () => {
    using test = testDevice(BYTES);
    const { driver, host } = test;
    driver.start();
    driver.request(IN, 0, 512);
    driver.set(REG.STATUS, 0);
    expect([driver.get(REG.STATUS), driver.get(REG.QUEUE_READY), host.levels.get(16)]).toEqual([0, 0, 0]);
    driver.notify();
    driver.start();
    expect(driver.request(IN, 1, 512).status).toBe(0);
    driver.set(REG.QUEUE_RESET, 1);
    expect(driver.get(REG.QUEUE_RESET)).toBe(0);
    driver.placeQueue();
    expect(driver.request(IN, 2, 512).status).toBe(0);
  });
});
