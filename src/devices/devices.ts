/**
 * All devices of a machine over one piece of shared memory: a lock word, then the records one after the other. Every
 * thread that needs the devices attaches its own objects to that memory and sees the same state.
 */
import { CheckpointError, UsageError } from '../errors.ts';
import { acpiEvents } from './acpi-events.ts';
import { biosPort } from './bios-port.ts';
import type { Bus } from './bus.ts';
import { cmos } from './cmos.ts';
import { debugExit } from './debug-exit.ts';
import { debugcon } from './debugcon.ts';
import type { Device, DeviceHost, DeviceSpec } from './device.ts';
import { fwCfg } from './fw-cfg.ts';
import { GENERATION } from './generation.ts';
import { type I8042Spec, i8042 } from './i8042.ts';
import { irqPorts } from './irq-ports.ts';
import { isaDebugExit } from './isa-debug-exit.ts';
import { StateLock } from './lock.ts';
import { emptyPci } from './pci.ts';
import { type PicsSpec, pics } from './pic/pair.ts';
import { type PitSpec, pit } from './pit/timer.ts';
import { acpiPower, shutdownPort, systemControl } from './power.ts';
import { post, testPorts } from './stores.ts';
import { testMemory } from './test-memory.ts';
import { type UartSpec, uart } from './uart.ts';
import { vga } from './vga.ts';
import { virtioBlock } from './virtio/block.ts';
import { virtioRng } from './virtio/rng.ts';

/** The first serial port, where guests print and read. */
export const COM1: UartSpec = uart({ name: 'com1', base: 0x3f8, irq: 4 });

/** The keyboard, behind its controller. */
export const I8042: I8042Spec = i8042();

/** The display, in text mode. */
export const VGA: DeviceSpec = vga();

/** The interrupt controllers of a machine that has them in user space, and its timer. */
export const PICS: PicsSpec = pics();
export const PIT: PitSpec = pit();

/** The default devices of a machine, in the order of their records. */
export const DEVICE_SPECS: readonly DeviceSpec[] = [
  COM1,
  debugExit(),
  debugcon(),
  debugcon(0x402),
  post(),
  cmos(),
  I8042,
  systemControl(),
  emptyPci(),
  acpiPower(),
  shutdownPort(),
  fwCfg(),
  VGA,
  testPorts(),
  irqPorts(),
  testMemory(),
  acpiEvents(),
  GENERATION,
  biosPort(),
];

/** What decides which devices a machine has. */
export interface DeviceChoice {
  /** 0: none. */
  readonly exitPort: number;
  /** How many. */
  readonly disks?: number;
  readonly rng?: boolean;
  readonly userChips?: boolean;
}

/** The devices of a machine: the built-in ones, the exit port unless it is 0, virtio devices, chips, and the user's own. */
export const devicesOf = (
  { exitPort, disks = 0, rng = false, userChips = false }: DeviceChoice,
  own: readonly DeviceSpec[],
): DeviceSpec[] => [
  ...DEVICE_SPECS,
  ...(exitPort === 0 ? [] : [isaDebugExit(exitPort)]),
  ...Array.from({ length: disks }, (_, index) => virtioBlock(index)),
  ...(rng ? [virtioRng()] : []),
  ...(userChips ? [PICS, PIT] : []),
  ...own,
];

/** A cache line for the lock, so that nothing else shares it. */
const LOCK_BYTES = 64;
/** Records start on multiples of this. */
const ALIGNMENT = 8;

/** Where the records lie: size of the whole buffer and byte offset of each record, by device name. */
interface DeviceLayout {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<string, number>;
}

const layouts = new WeakMap<readonly DeviceSpec[], DeviceLayout>();

/** Lays the records out, rare ones last. Throws UsageError when two devices share a name. */
export function layoutDevices(specs: readonly DeviceSpec[]): DeviceLayout {
  const layout = layouts.get(specs) ?? layOut(specs);
  layouts.set(specs, layout);
  return layout;
}

function layOut(specs: readonly DeviceSpec[]): DeviceLayout {
  const offsets = new Map<string, number>();
  let bytes = LOCK_BYTES;
  for (const { name, stateBytes } of specs.toSorted(rareLast)) {
    if (offsets.has(name)) throw new UsageError(`two devices are called ${name}; give each a name of its own`);
    offsets.set(name, bytes);
    bytes += Math.ceil(stateBytes / ALIGNMENT) * ALIGNMENT;
  }
  return { bytes, offsets };
}

const rareLast = (a: DeviceSpec, b: DeviceSpec) => Number(a.rare ?? false) - Number(b.rare ?? false);

/**
 * Returns a function that copies all records from one buffer to another; rare ones only where they are in use, since they
 * may be large. Take the lock of the buffer that is live.
 */
export function recordCopier(specs: readonly DeviceSpec[]): (from: Uint8Array, to: Uint8Array) => void {
  const { bytes, offsets } = layoutDevices(specs);
  const rare = specs
    .filter((spec) => spec.rare)
    .map(({ name, stateBytes }) => ({ at: offsets.get(name)!, end: offsets.get(name)! + stateBytes }));
  const usual = Math.min(bytes, ...rare.map(({ at }) => at));
  return (from, to) => {
    to.set(from.subarray(LOCK_BYTES, usual), LOCK_BYTES);
    for (const { at, end } of rare) if (from[at] || to[at]) to.set(from.subarray(at, end), at);
  };
}

/** Each device's record in the buffer: live bytes, not copies. */
export function deviceRecords(specs: readonly DeviceSpec[], buffer: SharedArrayBuffer): Map<string, Uint8Array> {
  const { offsets } = layoutDevices(specs);
  return new Map(specs.map(({ name, stateBytes }) => [name, new Uint8Array(buffer, offsets.get(name), stateBytes)]));
}

/** The records in the buffer that belong into a checkpoint. */
export function recordsInUse(specs: readonly DeviceSpec[], buffer: SharedArrayBuffer): Map<string, Uint8Array> {
  const records = deviceRecords(specs, buffer);
  for (const { name, rare } of specs) if (rare && !records.get(name)![0]) records.delete(name);
  return records;
}

/** Memory for the devices, in their power-on state, the lock free. */
export function createDeviceState(specs: readonly DeviceSpec[]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(layoutDevices(specs).bytes);
  const records = deviceRecords(specs, buffer);
  for (const spec of specs) spec.reset(records.get(spec.name)!);
  return buffer;
}

/** The lock that belongs to a buffer. Give it to the {@link Bus} when more than one thread uses the devices. */
export function deviceLock(buffer: SharedArrayBuffer): StateLock {
  return new StateLock(buffer);
}

/** Lays the devices over a buffer and puts them on a bus. Returns them in order; changes no state. */
export function attachDevices(
  specs: readonly DeviceSpec[],
  buffer: SharedArrayBuffer,
  host: DeviceHost,
  bus: Bus,
): Device[] {
  const records = deviceRecords(specs, buffer);
  return specs.map((spec) => {
    const device = spec.attach(records.get(spec.name)!, host);
    bus.attach(device);
    return device;
  });
}

/**
 * Returns a function that loads saved records, under the buffer's lock; it may be called repeatedly. Throws CheckpointError
 * unless there is a record of the right size for each device but rare ones, and no other. The levels of interrupt lines are
 * in the state of the interrupt controllers, which is restored for itself.
 */
export function deviceRestorer(
  specs: readonly DeviceSpec[],
  buffer: SharedArrayBuffer,
  saved: ReadonlyMap<string, Uint8Array>,
): () => void {
  checkRecords(specs, saved);
  const live = new Uint8Array(buffer);
  const image = new Uint8Array(live.length);
  const { offsets } = layoutDevices(specs);
  for (const [name, bytes] of saved) image.set(bytes, offsets.get(name));
  const lock = deviceLock(buffer);
  const copy = recordCopier(specs);
  return () => lock.withLock(() => copy(image, live));
}

/**
 * The records of a checkpoint, those that an earlier release made as this one has them: what was added since is as at
 * power-on.
 */
export function upgradeRecords(saved: Iterable<readonly [string, Uint8Array]>): Map<string, Uint8Array> {
  const upgraded = new Map(saved);
  for (const { name, stateBytes, earlier, reset } of DEVICE_SPECS) {
    const begun = earlier && upgraded.get(earlier.name);
    if (!begun || begun.length !== earlier.bytes || (earlier.name !== name && upgraded.has(name))) continue;
    const record = new Uint8Array(stateBytes);
    reset(record);
    record.set(earlier.zeroIsUnset ? begun.map((byte, at) => byte || record[at]!) : begun);
    upgraded.delete(earlier.name);
    upgraded.set(name, record);
  }
  return upgraded;
}

function checkRecords(specs: readonly DeviceSpec[], saved: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, bytes] of saved) {
    const size = specs.find((spec) => spec.name === name)?.stateBytes;
    if (size === undefined) throw mismatch(`the machine has no device ${name}, but the saved state has one`, name);
    if (size !== bytes.length)
      throw mismatch(`the state of device ${name} has ${bytes.length} bytes, this machine's has ${size}`, name);
  }
  for (const { name, rare } of specs)
    if (!rare && !saved.has(name))
      throw mismatch(`the saved state has no device ${name}, but the machine has one`, name);
}

const mismatch = (message: string, device: string) =>
  new CheckpointError('DEVICE_MISMATCH', `${message}; restore with the devices it was saved with`, { device });
