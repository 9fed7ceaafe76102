/** A thread of the output ring's tests: writes numbered records into the ring, in pieces of the size it is told. */
import { workerData } from 'node:worker_threads';
import { OutputRing } from '../../src/runner/threads/output.ts';

/** What a writer is started with. */
export interface RingWork {
  readonly ring: SharedArrayBuffer;
  /** Number of this writer, the first byte of each of its records. */
  readonly writer: number;
  readonly records: number;
  /** Bytes of one record: writer, sequence number (32 bits), then filling. */
  readonly size: number;
  /** It is the only writer of its ring. */
  readonly onlyWriter?: boolean;
  /** Counts the records written, all writers together. */
  readonly progress: SharedArrayBuffer;
}

const { ring, writer, records, size, progress, onlyWriter = false } = workerData as RingWork;
const output = new OutputRing(ring, { onlyWriter });
const written = new Int32Array(progress);
for (let sequence = 0; sequence < records; sequence++) {
  const record = Buffer.alloc(size, writer);
  record.writeUInt32LE(sequence, 1);
  output.write(record);
  Atomics.add(written, 0, 1);
}
