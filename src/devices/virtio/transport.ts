/**
 * A virtio device with one queue, over MMIO (virtio 1.2, 4.2): its registers, and the work on its queue. What it is for, the
 * model knows.
 *
 * Work is done in steps, so that a thread other than the vCPUs' can do it: take a chain and complete it under the lock of the
 * devices, and between them serve it, which takes as long as it takes, without. A chain that is being served is still the
 * driver's as far as the record says: a checkpoint never has half of one, and a machine that is brought back begins it anew.
 */
import { GuestMemoryError, UsageError } from '../../errors.ts';
import { type DeviceHost, type DeviceSpec, load, type Width } from '../device.ts';
import type { GuestRam, QueueHost } from '../queue-host.ts';
import { declareDevice } from '../record.ts';
import { serveAll, type WorkQueue } from '../work.ts';
import {
  chainAt,
  type DescriptorChain,
  MAX_QUEUE_SIZE,
  pushUsed,
  type Queue,
  queueProblem,
  RingError,
  waiting,
  wantsInterrupt,
} from './queue.ts';
import { FEATURE, INTERRUPT, MAGIC, REG, STATUS, VENDOR, VERSION } from './registers.ts';
import { VIRTIO_SLOT_BYTES, type VirtioSlot } from './slots.ts';
import { FIELDS, QUEUE_FIELDS, queueOf, type VirtioRecord } from './virtio-record.ts';

/** What a kind of virtio device does. */
export interface VirtioModel {
  readonly deviceId: number;
  /** Numbers of the feature bits that it offers besides those of the transport. */
  readonly features: readonly number[];
  /** Its configuration space. */
  readonly config: Uint8Array;
  /**
   * Does what a chain asks for and returns how many bytes it has written to it. Undefined: it was told to stop before the end,
   * and the chain is to be served again from its beginning.
   */
  serve(chain: DescriptorChain, ram: GuestRam, stopped: () => boolean): number | undefined;
}

/** Makes what a device does, in the thread that attaches it. `note` tells the user something. */
type ModelMaker = (host: QueueHost, note: (text: string) => void) => VirtioModel;

/** A chain that was taken, and what the device was then. */
interface Job {
  readonly queue: Queue;
  readonly chain: DescriptorChain;
  readonly epoch: number;
  /** What was wrong with it, found while it was served. */
  problem?: string;
}

/** Registers that a driver writes where the queue is, while it is not ready. */
const PLACE: ReadonlyMap<number, (typeof QUEUE_FIELDS)[number]> = new Map([
  [REG.QUEUE_SIZE, 'queueSize'],
  [REG.QUEUE_DESC, 'descLow'],
  [REG.QUEUE_DESC + 4, 'descHigh'],
  [REG.QUEUE_DRIVER, 'driverLow'],
  [REG.QUEUE_DRIVER + 4, 'driverHigh'],
  [REG.QUEUE_DEVICE, 'deviceLow'],
  [REG.QUEUE_DEVICE + 4, 'deviceHigh'],
]);

const COMMON_FEATURES = [FEATURE.INDIRECT_DESC, FEATURE.VERSION_1, FEATURE.RING_RESET];
const ALL_ONES = 0xffff_ffff;

/** A virtio device in a slot. `model` makes what it does, for the thread that attaches it. */
export function virtioDevice(name: string, slot: VirtioSlot, model: ModelMaker): DeviceSpec {
  return declareDevice(name, FIELDS, {
    attach(r, host) {
      const device = new Transport(r, slot, host, model);
      return {
        mmio: [{ base: slot.base, length: VIRTIO_SLOT_BYTES }],
        widest: 4,
        read: (address, width) => device.read(address, width),
        write: (address, width, value) => device.write(address, width, value),
        queue: device,
      };
    },
  });
}

class Transport implements WorkQueue {
  readonly #r: VirtioRecord;
  readonly #slot: VirtioSlot;
  readonly #host: DeviceHost;
  readonly #queues: QueueHost;
  readonly #model: VirtioModel;
  readonly #features: readonly [low: number, high: number];

  constructor(r: VirtioRecord, slot: VirtioSlot, host: DeviceHost, model: ModelMaker) {
    if (!host.queues)
      throw new UsageError('this machine has no devices with queues: give it a disk when it is created');
    this.#r = r;
    this.#slot = slot;
    this.#host = host;
    this.#queues = host.queues;
    this.#model = model(host.queues, (text) => this.#note(text));
    this.#features = featureWords([...COMMON_FEATURES, ...this.#model.features]);
  }

  get slot(): number {
    return this.#slot.index;
  }

  read(address: number, width: Width): number {
    const at = address - this.#slot.base;
    if (at >= REG.CONFIG) return this.#readConfig(at - REG.CONFIG, width);
    if (width !== 4) return 0;
    return READS.get(at)?.(this.#r, this.#model, this.#features) ?? 0;
  }

  #readConfig(at: number, width: Width): number {
    const { config } = this.#model;
    return at + width <= config.length ? load(config, at, width) : 0;
  }

  write(address: number, width: Width, value: number): undefined {
    const at = address - this.#slot.base;
    if (width === 4 && at < REG.CONFIG) this.#writeRegister(at, value);
    return undefined;
  }

  #writeRegister(at: number, value: number): void {
    const r = this.#r;
    const place = PLACE.get(at);
    if (place !== undefined) {
      if (r.queueSel === 0 && r.queueReady === 0) r[place] = value;
    } else if (at === REG.DEVICE_FEATURES_SEL) r.deviceFeaturesSel = value;
    else if (at === REG.DRIVER_FEATURES_SEL) r.driverFeaturesSel = value;
    else if (at === REG.DRIVER_FEATURES) this.#setFeatures(value);
    else if (at === REG.QUEUE_SEL) r.queueSel = value;
    else if (at === REG.QUEUE_READY && r.queueSel === 0) this.#setReady(value);
    else if (at === REG.QUEUE_RESET && r.queueSel === 0 && value === 1) this.#resetQueue();
    else if (at === REG.QUEUE_NOTIFY && value === 0) this.#notified();
    else if (at === REG.INTERRUPT_ACK) this.#setInterrupts(r.interruptStatus & ~value);
    else if (at === REG.STATUS) this.#setStatus(value);
  }

  #setFeatures(value: number): void {
    const r = this.#r;
    if (r.status & STATUS.FEATURES_OK) return;
    if (r.driverFeaturesSel === 0) r.driverFeatures0 = value;
    else if (r.driverFeaturesSel === 1) r.driverFeatures1 = value;
  }

  /** Status bits are set one after the other; 0 is a reset (2.1). FEATURES_OK stays clear for features not offered. */
  #setStatus(value: number): void {
    const r = this.#r;
    if (value === 0) {
      this.#reset();
      return;
    }
    const [low, high] = this.#features;
    const accepted =
      (r.driverFeatures0 & ~low) === 0 &&
      (r.driverFeatures1 & ~high) === 0 &&
      (r.driverFeatures1 & (1 << (FEATURE.VERSION_1 - 32))) !== 0;
    const kept = accepted ? value : value & ~STATUS.FEATURES_OK;
    r.status = (kept & 0xff) | (r.status & STATUS.NEEDS_RESET);
    if (r.status & STATUS.DRIVER_OK) this.#notified();
  }

  #reset(): void {
    this.#resetQueue();
    Object.assign(this.#r, { status: 0, deviceFeaturesSel: 0, driverFeaturesSel: 0, driverFeatures0: 0 });
    Object.assign(this.#r, { driverFeatures1: 0, queueSel: 0 });
    this.#setInterrupts(0);
  }

  /** When it returns, no thread reads or writes the queue's buffers, and what was served of it is not completed. */
  #resetQueue(): void {
    const r = this.#r;
    this.#queues.worker?.waitUntilIdle(this.#slot.index);
    r.epoch = r.epoch + 1;
    for (const field of QUEUE_FIELDS) r[field] = 0;
  }

  #setReady(value: number): void {
    const r = this.#r;
    if ((value & 1) === 0) this.#queues.worker?.waitUntilIdle(this.#slot.index);
    r.epoch = r.epoch + 1;
    r.queueReady = value & 1;
    if (r.queueReady === 0) return;
    const problem = queueProblem(this.#queues.ram, queueOf(r));
    if (problem !== undefined) this.#needsReset(problem);
  }

  #notified(): void {
    if (this.#queues.worker) this.#queues.worker.wake();
    else serveAll(this);
  }

  take(): Job | undefined {
    const r = this.#r;
    const runs = (r.status & (STATUS.DRIVER_OK | STATUS.NEEDS_RESET | STATUS.FAILED)) === STATUS.DRIVER_OK;
    if (!runs || r.queueReady === 0) return undefined;
    const queue = queueOf(r);
    const { ram } = this.#queues;
    try {
      const problem = queueProblem(ram, queue);
      if (problem !== undefined) throw new RingError(problem);
      if (waiting(ram, queue, r.taken) === 0) return undefined;
      const chain = chainAt(ram, queue, r.taken);
      return { queue, chain, epoch: r.epoch };
    } catch (error) {
      this.#needsReset(problemOf(error));
      return undefined;
    }
  }

  serve(job: Job, stopped: () => boolean): number | undefined {
    try {
      return this.#model.serve(job.chain, this.#queues.ram, stopped);
    } catch (error) {
      job.problem = problemOf(error);
      return 0;
    }
  }

  complete({ queue, chain, epoch, problem }: Job, written: number): void {
    const r = this.#r;
    if (epoch !== r.epoch) return;
    if (problem !== undefined) {
      this.#needsReset(problem);
      return;
    }
    const { ram } = this.#queues;
    pushUsed(ram, queue, r.taken, chain.head, written);
    r.taken = r.taken + 1;
    if (wantsInterrupt(ram, queue)) this.#setInterrupts(r.interruptStatus | INTERRUPT.USED);
  }

  #needsReset(why: string): void {
    const r = this.#r;
    r.status = r.status | STATUS.NEEDS_RESET;
    this.#note(`the driver of virtio device ${this.#slot.index} gave it ${why}: the device waits for a reset`);
    if (r.status & STATUS.DRIVER_OK) this.#setInterrupts(r.interruptStatus | INTERRUPT.CONFIG);
  }

  /** Tells the user. */
  #note(text: string): void {
    this.#host.output('notes', Buffer.from(`${text}\n`));
  }

  #setInterrupts(pending: number): void {
    const r = this.#r;
    r.interruptStatus = pending;
    const level = pending === 0 ? 0 : 1;
    if (r.irqLevel === level) return;
    r.irqLevel = level;
    this.#host.setIrq(this.#slot.gsi, level);
  }
}

type Read = (r: VirtioRecord, model: VirtioModel, features: readonly [number, number]) => number;

const READS: ReadonlyMap<number, Read> = new Map<number, Read>([
  [REG.MAGIC, () => MAGIC],
  [REG.VERSION, () => VERSION],
  [REG.DEVICE_ID, (_, { deviceId }) => deviceId],
  [REG.VENDOR_ID, () => VENDOR],
  [REG.DEVICE_FEATURES, (r, _, features) => features[r.deviceFeaturesSel] ?? 0],
  [REG.QUEUE_SIZE_MAX, (r) => (r.queueSel === 0 ? MAX_QUEUE_SIZE : 0)],
  [REG.QUEUE_READY, (r) => (r.queueSel === 0 ? r.queueReady : 0)],
  [REG.INTERRUPT_STATUS, (r) => r.interruptStatus],
  [REG.STATUS, (r) => r.status],
  // No shared memory: lengths and addresses are -1 (4.2.2).
  ...[REG.SHM_LEN, REG.SHM_LEN + 4, REG.SHM_BASE, REG.SHM_BASE + 4].map((at) => [at, () => ALL_ONES] as const),
]);

/** The fault of a driver as words; other errors are thrown on. */
function problemOf(error: unknown): string {
  if (error instanceof RingError || error instanceof GuestMemoryError) return error.message;
  throw error;
}

function featureWords(bits: readonly number[]): readonly [number, number] {
  let [low, high] = [0, 0];
  for (const bit of bits) {
    if (bit < 32) low |= 1 << bit;
    else high |= 1 << (bit - 32);
  }
  return [low >>> 0, high >>> 0];
}
