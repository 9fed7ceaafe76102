/** The shared record through which a vCPU's state crosses threads, and through which a failure to save it does. */
import { type ErrorData, errorFromData } from '../../errors.ts';
import type { StateHost } from '../../kvm/state/host.ts';
import { recordBytes } from '../owed-ends.ts';

/** Shared memory for one vCPU's state on this host. */
export const createRecord = (host: StateHost): SharedArrayBuffer => new SharedArrayBuffer(recordBytes(host));

/** Thread side: leaves an error where the state would have been. */
export function recordError(record: Uint8Array, error: ErrorData): void {
  const { stack: _, ...short } = error;
  const text = Buffer.from(
    JSON.stringify(short, (_key, value: unknown) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value)),
  );
  record.fill(0).set(text.subarray(0, record.length - 1));
}

/** Owner side: the error a thread left. */
export function recordedError(record: Uint8Array): Error {
  const text = Buffer.from(record.subarray(0, record.indexOf(0))).toString();
  return errorFromData(JSON.parse(text) as ErrorData);
}
