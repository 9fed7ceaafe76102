/** Where each part of a vCPU's state lies in one flat record: how state crosses threads without messages. */

import { VCPU_ROWS, VCPU_SAVE_ORDER, type VcpuPart, type VcpuState } from './vcpu-rows.ts';
import type { VcpuStateCaps } from './vcpu-state-caps.ts';

/** A record's size, and where the parts are. */
export interface VcpuStateLayout {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<VcpuPart, readonly [offset: number, size: number]>;
}

/** The layout on a host. Offsets are multiples of 8. */
export function vcpuStateLayout(host: VcpuStateCaps): VcpuStateLayout {
  const offsets = new Map<VcpuPart, readonly [number, number]>();
  let bytes = 0;
  for (const { part } of VCPU_SAVE_ORDER) {
    const size = VCPU_ROWS[part].size(host);
    if (size === 0) continue;
    offsets.set(part, [bytes, size]);
    bytes += Math.ceil(size / 8) * 8;
  }
  return { bytes, offsets };
}

/** Live views of the parts in a flat record. */
export function vcpuStateParts(layout: VcpuStateLayout, record: Uint8Array): VcpuState {
  return Object.fromEntries([...layout.offsets].map(([part, [at, size]]) => [part, record.subarray(at, at + size)]));
}

/**
 * Gives vCPUs the TSC offsets they are to be loaded with: that of the first, which has been loaded, and the differences
 * they had when they were saved, in `saved` and in `loading`.
 */
export function followTscOffset(layout: VcpuStateLayout, saved: readonly Uint8Array[], loading: readonly Uint8Array[]) {
  const at = layout.offsets.get('tsc_offset')?.[0];
  if (at === undefined) return;
  const word = (record: Uint8Array) => new DataView(record.buffer, record.byteOffset + at, 8);
  const offset = (record: Uint8Array) => word(record).getBigUint64(0, true);
  const moved = offset(loading[0]!) - offset(saved[0]!);
  loading.slice(1).forEach((record, i) => {
    word(record).setBigUint64(0, BigInt.asUintN(64, offset(saved[i + 1]!) + moved), true);
  });
}
