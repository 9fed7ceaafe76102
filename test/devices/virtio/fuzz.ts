/**
 * Drivers that mean harm: queues anywhere, chains of any shape, registers in any order, records as no checkpoint has them.
 * Whatever they do, the device stays within RAM and within bounds, throws nothing, and works again after a reset.
 */
import { readFileSync } from 'node:fs';
import { DEVICE_ID, REG, STATUS } from '../../../src/devices/virtio/registers.ts';
import { random } from '../../snapshot/store/support.ts';
import { imageByte, testDevice } from './support.ts';

const RAM = 2 ** 21;
const SECTORS = 80;
/** Where most things of a case lie, so that they overlap. */
const AREA = 0x8000;
const AREA_BYTES = 0x4000;
const IN = 0;
const SETTLED = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK | STATUS.DRIVER_OK;

type Random = (limit: number) => number;
const pick = <T>(next: Random, ...values: readonly T[]): T => values[next(values.length)]!;

/** An address: mostly in the area, sometimes at an end of RAM, outside of it, or not a number that memory can have. */
const address = (next: Random, align: number): number => {
  const inside = AREA + next(AREA_BYTES / align) * align;
  return pick(
    next,
    inside,
    inside,
    inside,
    inside,
    inside + 1,
    RAM - align,
    RAM - 1,
    RAM,
    0xfeb0_0000,
    2 ** 40,
    2 ** 63,
  );
};

const length = (next: Random): number =>
  pick(next, 0, 1, 15, 16, 17, 512, 512, 513, 4096, 1024, RAM, 0xffff_ffff, next(5000));

/** Cases by number; the same for the same seed and number. */
export class RingFuzzer implements Disposable {
  readonly #seed: number;
  readonly #test = testDevice(SECTORS * 512);

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Runs one case. Returns what became of the device; throws an Error that says what is wrong. */
  run(number: number): string {
    const next = random(this.#seed * 0x1_0001 + number * 7919 + 1);
    for (let i = 0; i < 3; i++) next(2);
    const { driver, ram, notes } = this.#test;
    notes.length = 0;
    ram.write(
      AREA,
      Uint8Array.from({ length: 0x400 }, () => next(256)),
    );
    const kind = next(8);
    if (kind === 0) this.#spoilRecord(next);
    else if (kind < 4) this.#spoilBytes(next);
    else this.#spoilQueue(next);
    for (let act = next(6); act >= 0; act--) this.#act(next);
    const status = driver.get(REG.STATUS);
    const verdict = status & STATUS.NEEDS_RESET ? 'needs a reset' : status === 0 ? 'was reset' : 'works';
    if (notes.some((note) => note.includes('\n') || note.length > 300))
      throw new Error(`a note of odd shape: ${notes}`);
    this.#checkAlive();
    return verdict;
  }

  /** A record as a damaged checkpoint might have it. */
  #spoilRecord(next: Random): void {
    const record = new Uint8Array(this.#test.state, 64);
    for (let i = next(80); i > 0; i--) record[next(record.length)] = next(256);
    this.#test.driver.set(REG.STATUS, SETTLED);
  }

  /** Sound requests, and then a few bytes of them or of the rings changed. */
  #spoilBytes(next: Random): void {
    const { driver, ram } = this.#test;
    driver.start();
    for (let i = 1 + next(4); i > 0; i--) {
      const header = AREA + 64 * i;
      ram.write(
        header,
        Uint8Array.of(pick(next, 0, 1, 4, 8, 11, 13), 0, 0, 0, 0, 0, 0, 0, next(90), 0, 0, 0, 0, 0, 0, 0),
      );
      const data = { gpa: AREA + 0x1000, length: 512 * next(4), write: next(2) === 0 };
      driver.offer([{ gpa: header, length: 16 }, data, { gpa: header + 32, length: 1, write: true }]);
    }
    const from = driver.descriptors;
    for (let i = next(4); i > 0; i--) ram.write(from + next(driver.used + 32 - from), Uint8Array.of(next(256)));
  }

  #spoilQueue(next: Random): void {
    const { driver, ram } = this.#test;
    driver.start();
    driver.set(REG.QUEUE_READY, 0);
    const size = pick(next, 1, 2, 4, 8, 16, 256, 3, 0, 257, 65_535);
    const places = [address(next, 16), address(next, 2), address(next, 4)];
    driver.set(REG.QUEUE_SIZE, size);
    [REG.QUEUE_DESC, REG.QUEUE_DRIVER, REG.QUEUE_DEVICE].forEach((register, i) => {
      driver.set(register, places[i]! % 2 ** 32);
      driver.set(register + 4, Math.floor(places[i]! / 2 ** 32));
    });
    const [descriptors, available] = places as [number, number, number];
    const count = Math.min(size, 24);
    for (let i = 0; i < count; i++) this.#spoilDescriptor(next, descriptors + 16 * i, size);
    for (let i = 0; i < 16; i++) this.#spoilDescriptor(next, AREA + 0x2000 + 16 * i, 16);
    this.#poke(available, [next(2), 0, ...words(next(4) === 0 ? next(65_536) : next(size + 2))]);
    for (let i = 0; i < count; i++) this.#poke(available + 4 + 2 * i, words(next(size + 1)));
    const header = AREA + 0x3000;
    ram.write(
      header,
      Uint8Array.of(
        pick(next, 0, 0, 1, 1, 4, 8, 11, 13, 99),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        next(90),
        0,
        0,
        0,
        next(20) ? 0 : 255,
      ),
    );
    driver.set(REG.QUEUE_READY, 1);
  }

  #spoilDescriptor(next: Random, gpa: number, size: number): void {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    const isIndirect = next(6) === 0;
    const [to, bytesLong] = isIndirect
      ? [AREA + 0x2000, pick(next, 16, 32, 256, 0, 17, 0xffff_fff0)]
      : next(3) === 0
        ? [AREA + 0x3000, 16]
        : [address(next, 1), length(next)];
    view.setBigUint64(0, BigInt(to), true);
    view.setUint32(8, bytesLong, true);
    view.setUint16(12, (isIndirect ? 4 : 0) | (next(3) < 2 ? 1 : 0) | (next(2) ? 2 : 0) | (next(30) ? 0 : 8), true);
    view.setUint16(14, next(20) ? next(Math.max(size, 1)) : next(65_536), true);
    this.#poke(gpa, bytes);
  }

  /** Writes where there is RAM. */
  #poke(gpa: number, bytes: ArrayLike<number>): void {
    const { ram } = this.#test;
    if (ram.find(gpa, bytes.length)) ram.write(gpa, Uint8Array.from(bytes));
  }

  #act(next: Random): void {
    const { driver, bus } = this.#test;
    const registers = Object.values(REG);
    const kind = next(8);
    if (kind < 4) driver.notify();
    else if (kind === 4) driver.set(pick(next, REG.STATUS, REG.QUEUE_RESET, REG.QUEUE_READY), next(2));
    else if (kind === 5) driver.set(pick(next, ...registers), pick(next, 0, 1, 2, 15, 0xffff_ffff));
    else if (kind === 6) driver.get(pick(next, ...registers) + next(300), pick(next, 1, 2, 4));
    else
      bus.mmioWrite(
        0xfeb0_0000 + next(0x1000 - 8),
        Uint8Array.from({ length: 1 + next(8) }, () => next(256)),
      );
  }

  /** After a reset the device is as new. */
  #checkAlive(): void {
    const { driver, ram } = this.#test;
    driver.start();
    if (driver.get(REG.DEVICE_ID) !== DEVICE_ID.BLOCK) throw new Error('it does not say what it is any more');
    const { status, written } = driver.request(IN, SECTORS - 1, 512);
    if (status !== 0 || written !== 513) throw new Error(`after a reset a read answers ${status}, ${written} bytes`);
    const oracle = this.#last();
    if (Buffer.compare(ram.read(0x40000, 512), oracle) !== 0) throw new Error('after a reset a read gives other bytes');
  }

  /** The last sector, as the disk itself has it: cases may have written it. */
  #last(): Uint8Array {
    const sector = new Uint8Array(512);
    this.#test.disk.read((SECTORS - 1) * 512, sector);
    return sector;
  }

  /** Whether the image is as it was made. */
  get imageIsWhole(): boolean {
    return readFileSync(this.#test.path).every((byte, at) => byte === imageByte(at));
  }

  [Symbol.dispose](): void {
    this.#test[Symbol.dispose]();
  }
}

const words = (value: number) => [value & 0xff, (value >> 8) & 0xff];
