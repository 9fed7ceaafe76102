/** A virtio driver in the host's language: lays queues out in guest memory and works the registers as a guest does. */
import type { Bus } from '../../../src/devices/bus.ts';
import { REG, STATUS } from '../../../src/devices/virtio/registers.ts';
import { VIRTIO_SLOTS } from '../../../src/devices/virtio/slots.ts';
import type { GuestMemory } from '../../../src/memory/guest-memory.ts';

/** A buffer of a chain. */
export interface Buffer_ {
  readonly gpa: number;
  readonly length: number;
  readonly write?: boolean;
}

const OK_STATUS = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK | STATUS.DRIVER_OK;

export class Driver {
  readonly memory: GuestMemory;
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  readonly #bus: Bus;
  readonly #base: number;
  #next = 0;
  #offered = 0;
  #seen = 0;

  /** A driver of the device in slot `index`, with a queue of `size` descriptors from `at` on. */
  constructor(bus: Bus, memory: GuestMemory, index = 0, size = 16, at = 0x10000) {
    this.#bus = bus;
    this.#base = VIRTIO_SLOTS[index]!.base;
    this.memory = memory;
    this.size = size;
    this.descriptors = at;
    this.available = at + 16 * size;
    this.used = (this.available + 6 + 2 * size + 3) & ~3;
  }

  get(register: number, width = 4): number {
    const bytes = new Uint8Array(width);
    this.#bus.mmioRead(this.#base + register, bytes);
    return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
  }

  set(register: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.#bus.mmioWrite(this.#base + register, bytes);
  }

  features(): bigint {
    const [low, high] = [0, 1].map((word) => {
      this.set(REG.DEVICE_FEATURES_SEL, word);
      return BigInt(this.get(REG.DEVICE_FEATURES));
    });
    return low! | (high! << 32n);
  }

  /** Reset, features, queue, driver OK. */
  start(): void {
    this.set(REG.STATUS, 0);
    this.set(REG.STATUS, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    const features = this.features();
    for (const word of [0, 1]) {
      this.set(REG.DRIVER_FEATURES_SEL, word);
      this.set(REG.DRIVER_FEATURES, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.set(REG.STATUS, STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK);
    this.placeQueue();
    this.set(REG.STATUS, OK_STATUS);
  }

  placeQueue(): void {
    this.memory.write(this.descriptors, new Uint8Array(this.used + 6 + 8 * this.size - this.descriptors));
    this.#next = 0;
    this.#offered = 0;
    this.#seen = 0;
    this.set(REG.QUEUE_SEL, 0);
    this.set(REG.QUEUE_SIZE, this.size);
    for (const [register, gpa] of [
      [REG.QUEUE_DESC, this.descriptors],
      [REG.QUEUE_DRIVER, this.available],
      [REG.QUEUE_DEVICE, this.used],
    ] as const) {
      this.set(register, gpa);
      this.set(register + 4, 0);
    }
    this.set(REG.QUEUE_READY, 1);
  }

  descriptor(table: number, index: number, { gpa, length, write }: Buffer_, flags: number, next: number): void {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(gpa), true);
    view.setUint32(8, length, true);
    view.setUint16(12, flags | (write ? 2 : 0), true);
    view.setUint16(14, next, true);
    this.memory.write(table + 16 * index, bytes);
  }

  /** Puts a chain into the available ring, without telling the device. Returns its head. */
  offer(buffers: readonly Buffer_[]): number {
    const head = this.#next;
    buffers.forEach((buffer, i) => {
      const more = i < buffers.length - 1;
      const index = (head + i) % this.size;
      this.descriptor(this.descriptors, index, buffer, more ? 1 : 0, (index + 1) % this.size);
    });
    this.#next = (head + buffers.length) % this.size;
    this.makeAvailable(head);
    return head;
  }

  makeAvailable(head: number): void {
    this.memory.writeWord(this.available + 4 + 2 * (this.#offered % this.size), head);
    this.#offered = (this.#offered + 1) & 0xffff;
    this.memory.writeWord(this.available + 2, this.#offered);
  }

  notify(): void {
    this.set(REG.QUEUE_NOTIFY, 0);
  }

  /** The chains that the device has used since the last call: head and bytes written. */
  takeUsed(): (readonly [head: number, written: number])[] {
    const taken: (readonly [number, number])[] = [];
    for (const end = this.memory.readWord(this.used + 2); this.#seen !== end; this.#seen = (this.#seen + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.#seen % this.size);
      taken.push([Number(this.memory.readUint(at, 4)), Number(this.memory.readUint(at + 4, 4))]);
    }
    return taken;
  }

  /** One request of a block device, with its data in one buffer at `data`. Returns the status byte and bytes written. */
  request(type: number, sector: number, length: number, { data = 0x40000, write = type === 0 } = {}) {
    const header = 0x30000;
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    view.setBigUint64(8, BigInt(sector), true);
    this.memory.write(header, bytes);
    const status = header + 16;
    this.memory.write(status, Uint8Array.of(0xee));
    const buffers = [
      { gpa: header, length: 16 },
      ...(length > 0 ? [{ gpa: data, length, write }] : []),
      { gpa: status, length: 1, write: true },
    ];
    this.offer(buffers);
    this.notify();
    const [used] = this.takeUsed();
    return { status: Number(this.memory.readUint(status, 1)), written: used?.[1] };
  }
}
