/**
 * A split virtqueue (virtio 1.2, 2.7), seen from the device: chains of descriptors that the driver offers, and what was used
 * of them. The driver is not trusted: everything it wrote is read once and checked, and nothing outside RAM is touched.
 */

/** Guest RAM. Ranges are checked before they are used. */
export interface RingMemory {
  /** Something, where all of [gpa, gpa+length) is RAM. */
  find(gpa: number, length: number): unknown;
  readInto(gpa: number, target: Uint8Array): void;
  write(gpa: number, bytes: Uint8Array): void;
  /** Two bytes at an even address in one access: another thread never sees half of them. */
  readWord(gpa: number): number;
  writeWord(gpa: number, value: number): void;
}

/** Where the driver has put the parts of a queue. Guest-physical addresses. */
export interface Queue {
  /** Descriptors: a power of two, at most {@link MAX_QUEUE_SIZE}. */
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
}

/** A buffer of a chain, all of it in RAM. */
export interface Segment {
  readonly gpa: number;
  readonly length: number;
}

/** A chain that the driver offers: what the device reads, then what it writes. */
export interface DescriptorChain {
  /** The number that the driver knows it by. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** The driver did what no driver may: the device needs a reset. */
export class RingError extends Error {}

/** Most descriptors of a queue. */
export const MAX_QUEUE_SIZE = 256;
/** Most descriptors of a chain, those of an indirect table included: more is taken for a loop. */
const MAX_CHAIN = 1024;

const DESCRIPTOR_BYTES = 16;
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const NO_INTERRUPT = 1;

/** What is wrong with a queue's place, for a driver that enables it; undefined where nothing is. */
export function queueProblem(memory: RingMemory, { size, descriptors, available, used }: Queue): string | undefined {
  const isPower = size > 0 && size <= MAX_QUEUE_SIZE && (size & (size - 1)) === 0;
  if (!isPower) return `a queue of ${size} descriptors`;
  const parts = [
    ['descriptors', descriptors, DESCRIPTOR_BYTES * size, 16],
    ['available ring', available, 6 + 2 * size, 2],
    ['used ring', used, 6 + 8 * size, 4],
  ] as const;
  for (const [name, gpa, bytes, align] of parts)
    if (gpa % align !== 0 || !memory.find(gpa, bytes)) return `its ${name} at 0x${gpa.toString(16)}`;
  return undefined;
}

/** How many chains the driver has made available, of which the device has taken `taken`. Throws RingError for too many. */
export function waiting(memory: RingMemory, queue: Queue, taken: number): number {
  const count = (memory.readWord(queue.available + 2) - taken) & 0xffff;
  if (count > queue.size) throw new RingError(`${count} chains are available in a queue of ${queue.size}`);
  return count;
}

/** The chain that is number `taken`. Call it only where {@link waiting} is not 0. Throws RingError. */
export function chainAt(memory: RingMemory, queue: Queue, taken: number): DescriptorChain {
  const head = memory.readWord(queue.available + 4 + 2 * (taken % queue.size));
  const walk: Walk = { memory, readable: [], writable: [], left: MAX_CHAIN };
  const indirect = followTable(walk, queue.descriptors, queue.size, head);
  if (indirect) followTable(walk, indirect.gpa, indirect.length / DESCRIPTOR_BYTES, 0, true);
  return { head, readable: walk.readable, writable: walk.writable };
}

interface Walk {
  readonly memory: RingMemory;
  readonly readable: Segment[];
  readonly writable: Segment[];
  left: number;
}

/** Follows a chain through a table of `entries` descriptors. Returns the indirect table that it ends in, if it does. */
function followTable(walk: Walk, table: number, entries: number, first: number, nested = false): Segment | undefined {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = first; ; ) {
    if (index >= entries) throw new RingError(`descriptor ${index} in a table of ${entries}`);
    if (walk.left-- === 0) throw new RingError(`a chain of more than ${MAX_CHAIN} descriptors, or a loop`);
    walk.memory.readInto(table + index * DESCRIPTOR_BYTES, bytes);
    const segment = { gpa: Number(view.getBigUint64(0, true)), length: view.getUint32(8, true) };
    const flags = view.getUint16(12, true);
    if (!walk.memory.find(segment.gpa, segment.length))
      throw new RingError(`a buffer of ${segment.length} bytes at 0x${segment.gpa.toString(16)}, outside RAM`);
    if (flags & INDIRECT) {
      if (nested || flags & NEXT) throw new RingError('an indirect table that is not the end of a chain');
      if (segment.length === 0 || segment.length % DESCRIPTOR_BYTES !== 0)
        throw new RingError(`an indirect table of ${segment.length} bytes`);
      return segment;
    }
    add(walk, segment, (flags & WRITE) !== 0);
    if ((flags & NEXT) === 0) return undefined;
    index = view.getUint16(14, true);
  }
}

function add({ readable, writable }: Walk, segment: Segment, isWritable: boolean): void {
  if (!isWritable && writable.length > 0) throw new RingError('a buffer to read behind one to write');
  if (segment.length > 0) (isWritable ? writable : readable).push(segment);
}

/** Gives a chain back, as the used ring's entry number `index`, with how many bytes were written to it. */
export function pushUsed(memory: RingMemory, queue: Queue, index: number, head: number, written: number): void {
  const entry = new Uint8Array(8);
  const view = new DataView(entry.buffer);
  view.setUint32(0, head, true);
  view.setUint32(4, written, true);
  memory.write(queue.used + 4 + 8 * (index % queue.size), entry);
  memory.writeWord(queue.used + 2, (index + 1) & 0xffff); // after the entry: the driver looks at this first
}

/** Whether the driver wants an interrupt for what was used. */
export const wantsInterrupt = (memory: RingMemory, queue: Queue): boolean =>
  (memory.readWord(queue.available) & NO_INTERRUPT) === 0;
