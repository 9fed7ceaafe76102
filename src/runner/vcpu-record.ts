/** The record of a vCPU: its state, and behind that its ends (pending-ends.ts). */
import { UsageError } from '../errors.ts';
import { vcpuStateLayout } from '../kvm/state/vcpu-layout.ts';
import type { VcpuStateCaps } from '../kvm/state/vcpu-state-caps.ts';
import { ENDS_BYTES } from './pending-ends.ts';

/** Bytes of a vCPU's record on this host. */
export const recordBytes = (host: VcpuStateCaps): number => vcpuStateLayout(host).bytes + ENDS_BYTES;

/** Throws UsageError unless there is a record of this host for each of `cpus` vCPUs. */
export function checkRecords(records: readonly Uint8Array[], cpus: number, host: VcpuStateCaps): void {
  const bytes = recordBytes(host);
  if (records.length === cpus && records.every((record) => record.length === bytes)) return;
  const given = records.map(({ length }) => length).join(', ');
  throw new UsageError(
    `records of [${given}] bytes cannot be loaded: give one of ${bytes} for each vCPU, ${cpus} in all, as finishSave() returns them`,
  );
}
