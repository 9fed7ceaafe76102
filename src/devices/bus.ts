/**
 * The bus: from a port number or guest-physical address to the device that claims it. A port access costs one lookup
 * in a flat table and one call. Unclaimed addresses read all ones, as an undriven bus does; these accesses are counted.
 */
import { hex } from '../abi/numbers.ts';
import { UsageError } from '../errors.ts';
import { type AddressRange, type Device, load, type StopRequest, store, type Width } from './device.ts';
import type { StateLock } from './lock.ts';
import { MmioMap } from './mmio.ts';
import { UnclaimedCounter, type UnclaimedCounts } from './unclaimed.ts';
import { serveAll } from './work.ts';

const PORTS = 0x10000;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

/** How a bus is built. */
export interface BusOptions {
  /** Taken around every access, when other threads use the same device state. */
  readonly lock?: StateLock;
}

/** Devices by port and address. Accesses that are wider than a device takes reach it as narrower ones, lowest first. */
export class Bus {
  readonly lock: StateLock | undefined; // held during each access
  readonly #unclaimed = new UnclaimedCounter();
  /** Index into #devices by port; 0: unclaimed. */
  readonly #owner = new Uint16Array(PORTS);
  readonly #devices: Device[];
  readonly #widest: Width[] = [4];
  readonly #mmio: MmioMap;

  constructor(options: BusOptions = {}) {
    this.lock = options.lock;
    this.#devices = [nobody(this.#unclaimed)];
    this.#mmio = new MmioMap(this.#unclaimed);
  }

  /** Accesses that no device answered. */
  get unclaimed(): UnclaimedCounts {
    return this.#unclaimed;
  }

  /** The attached devices, in order. */
  get devices(): readonly Device[] {
    return this.#devices.slice(1);
  }

  /** Gives a device its ports and addresses. Throws UsageError, and changes nothing, when any of them is taken. */
  attach(device: Device): void {
    for (const range of device.ports ?? []) this.#checkPorts(device, range);
    this.#mmio.attach(device);
    const index = this.#devices.push(device) - 1;
    this.#widest.push(device.widest ?? 1);
    for (const { base, length } of device.ports ?? []) this.#owner.fill(index, base, base + length);
  }

  /** IN: `width` bytes from `port`, zero-extended. */
  portIn(port: number, width: Width): number {
    const lock = this.lock;
    if (lock === undefined) return this.#in(port, width);
    lock.acquire();
    try {
      return this.#in(port, width);
    } finally {
      lock.release();
    }
  }

  /** OUT: `value` is zero-extended. Returns what the device asks of the run loop, if anything. */
  portOut(port: number, width: Width, value: number): StopRequest | undefined {
    const lock = this.lock;
    if (lock === undefined) return this.#out(port, width, value);
    lock.acquire();
    try {
      return this.#out(port, width, value);
    } finally {
      lock.release();
    }
  }

  /** INS: fills `data`, whose length is a multiple of `width`, with one access after the other. */
  portInString(port: number, width: Width, data: Uint8Array): void {
    this.#locked(() => {
      for (let at = 0; at < data.length; at += width) store(data, at, width, this.#in(port, width));
    });
  }

  /** Does the work that waits in the queues of devices, where this thread is the one to do it. */
  serveQueues(): void {
    this.#locked(() => {
      for (const { queue } of this.#devices) if (queue) serveAll(queue);
    });
  }

  /** OUTS: all of `data`, one access after the other. A stop request ends the run; what follows it is not written. */
  portOutString(port: number, width: Width, data: Uint8Array): StopRequest | undefined {
    return this.#locked(() => {
      const device = this.#devices[this.#owner[port]!]!;
      if (width === 1 && device.writeRun) return device.writeRun(port, data);
      for (let at = 0; at < data.length; at += width) {
        const stop = this.#out(port, width, load(data, at, width));
        if (stop) return stop;
      }
      return undefined;
    });
  }

  /** Reads guest-physical memory that is no RAM: fills `bytes` (at most 8 in one KVM exit). */
  mmioRead(gpa: number, bytes: Uint8Array): void {
    this.#locked(() => this.#mmio.read(gpa, bytes));
  }

  /** Writes guest-physical memory that is no RAM. */
  mmioWrite(gpa: number, bytes: Uint8Array): StopRequest | undefined {
    return this.#locked(() => this.#mmio.write(gpa, bytes));
  }

  #in(port: number, width: Width): number {
    const owner = this.#owner[port]!;
    if (width === 1 || this.#takesWhole(owner, port, width)) return this.#devices[owner]!.read(port, width);
    const half = (width >> 1) as Width;
    const low = this.#in(port, half);
    const high = this.#in((port + half) & 0xffff, half);
    return low + high * 2 ** (8 * half);
  }

  #out(port: number, width: Width, value: number): StopRequest | undefined {
    const owner = this.#owner[port]!;
    if (width === 1 || this.#takesWhole(owner, port, width)) return this.#devices[owner]!.write(port, width, value);
    const half = (width >> 1) as Width;
    const low = this.#out(port, half, value & ALL_ONES[half]);
    const high = this.#out((port + half) & 0xffff, half, value >>> (8 * half));
    return low ?? high;
  }

  #takesWhole(owner: number, port: number, width: Width): boolean {
    if (width > this.#widest[owner]!) return false;
    for (let next = port + 1; next < port + width; next++) if (this.#owner[next] !== owner) return false;
    return true;
  }

  #locked<T>(fn: () => T): T {
    return this.lock === undefined ? fn() : this.lock.withLock(fn);
  }

  #checkPorts(device: Device, { base, length }: AddressRange): void {
    if (!(Number.isInteger(base) && Number.isInteger(length) && base >= 0 && length > 0 && base + length <= PORTS))
      throw new UsageError(`device ${device.name} claims ${length} ports from ${hex(base)}, outside 0..0xffff`);
    for (let port = base; port < base + length; port++) {
      const owner = this.#owner[port]!;
      if (owner === 0) continue;
      const other = this.#devices[owner]!.name;
      throw new UsageError(
        `device ${device.name} wants ports ${span({ base, length })}, but ${hex(port)} belongs to ${other}; leave one out`,
        { device: device.name, other, port },
      );
    }
  }
}

function nobody(counter: UnclaimedCounter): Device {
  return {
    name: 'nobody',
    widest: 4,
    read(port, width) {
      counter.count('ports', port);
      return ALL_ONES[width];
    },
    write(port) {
      counter.count('ports', port);
      return undefined;
    },
  };
}

const span = ({ base, length }: AddressRange) => `${hex(base)}..${hex(base + length - 1)}`;
