import { describe, expect, it } from 'vitest';
import type { VcpuStateCaps } from '../../src/kvm/state/vcpu-state-caps.ts';
import { ENDS_BYTES, PendingEnds, readEnds, writeEnds } from '../../src/runner/pending-ends.ts';
import { recordBytes } from '../../src/runner/vcpu-record.ts';

const HOST: VcpuStateCaps = {
  xsaveBytes: 4096,
  sregs2: true,
  irqchip: true,
  kicks: false,
  syncRegs: true,
  tsc: 'none',
  nestedBytes: 0,
  msrs: [0x10],
};
const AT = recordBytes(HOST) - ENDS_BYTES;
const saved = (ends: PendingEnds) => {
  const record = new Uint8Array(new SharedArrayBuffer(recordBytes(HOST)));
  ends.save(record, AT);
  return record;
};

describe('the ends that a vCPU owes', () => {
  it('are the one its run ended with and those it met since, in a record and out of it', () => {
    const ends = new PendingEnds();
    ends.ended({ reason: 'exit-port', value: 3, stopPoint: 'port:0xf4' });
    ends.add({ reason: 'fail-entry', detail: { hardwareReason: 0x8000_0000_0000_0021n, cpu: 1 } });
    const after = new PendingEnds();
    after.load(saved(ends), AT);
    expect(after.next()).toEqual({ reason: 'exit-port', value: 3 });
    expect(after.next()).toEqual({ reason: 'fail-entry', detail: { hardwareReason: '0x8000000000000021', cpu: 1 } });
    expect(after.next()).toBeUndefined();
  });

  it('are none of a run that goes on, nor what its owner asked for', () => {
    const ends = new PendingEnds();
    ends.ended({ reason: 'exit-port', value: 3 });
    ends.next();
    ends.ended({ reason: 'stop-point', stopPoint: 'exit:3' });
    ends.add({ reason: 'stop-point', stopPoint: 'exit:4' });
    expect(readEnds(saved(ends), AT)).toEqual([]);
  });

  it('are still owed after a save, and once they have been met are the last', () => {
    const ends = new PendingEnds();
    ends.add({ reason: 'halted' });
    saved(ends);
    expect(ends.next()).toEqual({ reason: 'halted' });
    expect(readEnds(saved(ends), AT)).toMatchObject([{ end: { reason: 'halted' } }]);
  });

  it('that do not fit are refused', () => {
    const end = { reason: 'unexpected-exit', detail: { exit: 'x'.repeat(ENDS_BYTES) } } as const;
    expect(() => writeEnds(new Uint8Array(recordBytes(HOST)), AT, [{ end, at: 0 }])).toThrow(RangeError);
  });
});
