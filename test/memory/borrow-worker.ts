/** The other thread of borrow.test.ts: uses guest memory that it does not own, and says what it saw. */
import { parentPort, workerData } from 'node:worker_threads';
import { GuestMemory, type GuestMemoryHandle } from '../../src/memory/guest-memory.ts';

/** What the thread is told. Addresses are guest-physical. */
export interface BorrowOrder {
  readonly handle: GuestMemoryHandle;
  readonly read: number;
  readonly write: number;
}

const { handle, read, write } = workerData as BorrowOrder;
const memory = GuestMemory.borrow(handle);
const saw = Number(memory.readUint(read, 1));
memory.write(write, Uint8Array.of(0x77));
const { size, ranges } = memory;
memory[Symbol.dispose]();
parentPort?.postMessage({ saw, size, ranges });
