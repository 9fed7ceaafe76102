/** The block device (virtio 1.2, 5.2): requests to read and write sectors of a disk. */

import { SECTOR_BYTES } from '../../disk/limits.ts';
import { DiskError } from '../../errors.ts';
import type { DeviceSpec } from '../device.ts';
import type { BlockDisk, GuestRam } from '../queue-host.ts';
import { configSpace, MAX_RANGE_SECTORS, MAX_RANGES, MAX_REQUEST_BYTES } from './block-config.ts';
import type { DescriptorChain, Segment } from './queue.ts';
import { RingError } from './queue.ts';
import { DEVICE_ID } from './registers.ts';
import { gather, lengthOf, scatter, split } from './segments.ts';
import { VIRTIO_SLOTS } from './slots.ts';
import { type VirtioModel, virtioDevice } from './transport.ts';

const FEATURE = { SIZE_MAX: 1, SEG_MAX: 2, RO: 5, BLK_SIZE: 6, FLUSH: 9, TOPOLOGY: 10, DISCARD: 13, WRITE_ZEROES: 14 };

const REQUEST = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const OK = 0;
const IO_ERROR = 1;
const UNSUPPORTED = 2;

const HEADER_BYTES = 16;
const ID_BYTES = 20;
const RANGE_BYTES = 16;

/** Disk `index` of the machine, in the slot of the same number. */
export function virtioBlock(index: number): DeviceSpec {
  const name = `disk${index}`;
  return virtioDevice(name, VIRTIO_SLOTS[index]!, ({ disks }, note) =>
    blockModel(disks[index]!, `vmlapse-${name}`, noteErrors(index, note)),
  );
}

/** What the device does with a disk. `failed` is told of each error of the disk. */
function blockModel(disk: BlockDisk, id: string, failed: (error: DiskError) => void = () => {}): VirtioModel {
  const always = [FEATURE.SIZE_MAX, FEATURE.SEG_MAX, FEATURE.BLK_SIZE, FEATURE.FLUSH, FEATURE.TOPOLOGY];
  return {
    deviceId: DEVICE_ID.BLOCK,
    features: [...always, ...(disk.readOnly ? [FEATURE.RO] : [FEATURE.DISCARD, FEATURE.WRITE_ZEROES])],
    config: configSpace(disk),
    serve(chain, ram, stopped) {
      const [request, status] = requestOf(chain, ram);
      try {
        const written = HANDLERS.get(request.type)?.({ disk, id, ram, stopped, ...request });
        if (written === STOPPED) return undefined;
        return answer(ram, status, written === undefined ? UNSUPPORTED : OK, written ?? 0);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        failed(error);
        return answer(ram, status, IO_ERROR, 0);
      }
    },
  };
}

/** Tells the user of the first error of each kind. */
function noteErrors(index: number, note: (text: string) => void): (error: DiskError) => void {
  const told = new Set<string>();
  return ({ code, message }) => {
    if (told.has(code)) return;
    told.add(code);
    note(`disk ${index}: ${message}; its guest gets an I/O error`);
  };
}

function answer(ram: GuestRam, status: number, code: number, written: number): number {
  ram.write(status, Uint8Array.of(code));
  return written + 1;
}

/** A request, without its status byte. */
interface Request {
  readonly type: number;
  /** Byte offset on the disk. */
  readonly offset: number;
  /** Buffers behind the header, and before the status. */
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

interface Work extends Request {
  readonly disk: BlockDisk;
  readonly id: string;
  readonly ram: GuestRam;
  readonly stopped: () => boolean;
}

/** Throws RingError where there is no room for the header or the status, wherever the driver has cut the buffers. */
function requestOf({ readable, writable }: DescriptorChain, ram: GuestRam): [Request, status: number] {
  const [header, data] = split(readable, HEADER_BYTES);
  const last = writable.at(-1);
  if (!last || lengthOf(header) < HEADER_BYTES) throw new RingError('a request without a header or a status byte');
  const bytes = gather(ram, header);
  const view = new DataView(bytes.buffer);
  const sector = view.getBigUint64(8, true);
  const [room] = split(writable, lengthOf(writable) - 1);
  const request = {
    type: view.getUint32(0, true),
    offset: Number(sector) * SECTOR_BYTES,
    readable: data,
    writable: room,
  };
  return [request, last.gpa + last.length - 1];
}

const STOPPED = -1;

/** Return how many bytes were written into the buffers, or {@link STOPPED}; undefined: the request is not supported. */
const HANDLERS: ReadonlyMap<number, (work: Work) => number | undefined> = new Map<
  number,
  (work: Work) => number | undefined
>([
  [
    REQUEST.IN,
    ({ disk, ram, writable, offset, stopped }) => {
      const length = checkTransfer(writable);
      let at = offset;
      for (const segment of writable) {
        if (stopped()) return STOPPED;
        ram.update(segment.gpa, segment.length, (view, done) => disk.read(at + done, view));
        at += segment.length;
      }
      return length;
    },
  ],
  [
    REQUEST.OUT,
    ({ disk, ram, readable, offset, stopped }) => {
      checkTransfer(readable);
      let at = offset;
      for (const segment of readable) {
        if (stopped()) return STOPPED;
        ram.look(segment.gpa, segment.length, (view, done) => disk.write(at + done, view));
        at += segment.length;
      }
      return 0;
    },
  ],
  // What was written is the machine's memory: it is as safe as that is, and on disk with the next checkpoint.
  [REQUEST.FLUSH, () => 0],
  [
    REQUEST.GET_ID,
    ({ id, ram, writable }) => {
      const [room] = split(writable, ID_BYTES);
      const text = Buffer.alloc(lengthOf(room));
      text.write(id, 'latin1');
      scatter(ram, room, text);
      return text.length;
    },
  ],
  [REQUEST.DISCARD, (work) => inRanges(work, (offset, length) => work.disk.discard(offset, length))],
  [REQUEST.WRITE_ZEROES, (work) => inRanges(work, (offset, length) => work.disk.zero(offset, length))],
]);

/** Throws DiskError for a transfer that is no number of sectors, or longer than the device allows. */
function checkTransfer(segments: readonly Segment[]): number {
  const length = lengthOf(segments);
  if (length % SECTOR_BYTES === 0 && length <= MAX_REQUEST_BYTES) return length;
  throw new DiskError('OUT_OF_RANGE', `a request for ${length} bytes is no number of sectors, or too long`);
}

/** The ranges of a discard or write-zeroes request (5.2.6): sector, count and flags of each. */
function inRanges({ disk, ram, readable }: Work, each: (offset: number, length: number) => void): number | undefined {
  if (disk.readOnly) return undefined;
  const length = lengthOf(readable);
  if (length % RANGE_BYTES !== 0 || length > RANGE_BYTES * MAX_RANGES) return undefined;
  const view = new DataView(gather(ram, readable).buffer);
  for (let at = 0; at < length; at += RANGE_BYTES) {
    const sectors = view.getUint32(at + 8, true);
    if (sectors > MAX_RANGE_SECTORS) return undefined;
    each(Number(view.getBigUint64(at, true)) * SECTOR_BYTES, sectors * SECTOR_BYTES);
  }
  return 0;
}
