/** The record of a virtio device with one queue: all that a driver can have changed. */
import type { Live } from '../../abi/struct.ts';
import { u8, u16, u32 } from '../../abi/types.ts';
import type { Placed } from '../record.ts';
import type { Queue } from './queue.ts';

/** Its fields. */
export const FIELDS = {
  /** Counts resets: a chain taken before one is not completed after it. */
  epoch: u32,
  status: u32,
  deviceFeaturesSel: u32,
  driverFeaturesSel: u32,
  driverFeatures0: u32,
  driverFeatures1: u32,
  queueSel: u32,
  interruptStatus: u32,
  queueSize: u32,
  queueReady: u32,
  descLow: u32,
  descHigh: u32,
  driverLow: u32,
  driverHigh: u32,
  deviceLow: u32,
  deviceHigh: u32,
  /** Chains taken from the available ring, which is also how many were put into the used ring. Modulo 2^16. */
  taken: u16,
  irqLevel: u8,
};

/** The record, live. */
export type VirtioRecord = Live<Placed<typeof FIELDS>>;

/** Those that belong to the queue. */
export const QUEUE_FIELDS = [
  'queueSize',
  'queueReady',
  'descLow',
  'descHigh',
  'driverLow',
  'driverHigh',
  'deviceLow',
  'deviceHigh',
  'taken',
] as const;

const FOUR_GIB = 2 ** 32;

/** Where the driver has put the queue. */
export const queueOf = (r: VirtioRecord): Queue => ({
  size: r.queueSize,
  descriptors: r.descHigh * FOUR_GIB + r.descLow,
  available: r.driverHigh * FOUR_GIB + r.driverLow,
  used: r.deviceHigh * FOUR_GIB + r.deviceLow,
});
