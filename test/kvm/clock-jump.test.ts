import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/abi/struct.ts';
import { KvmClockData } from '../../src/abi/structs.ts';
import { CheckpointError } from '../../src/errors.ts';
import { passedSince, VmStateReader } from '../../src/kvm/state/vm-state.ts';
import { withVm } from '../support/bare-vm.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const taken = (realtime: bigint, flags = 0) => {
  const clock = KvmClockData.alloc();
  Object.assign(clock, { realtime, flags });
  return { clock: bytesOf(clock) };
};

describe('the time by which a restored clock jumps', () => {
  it('is none where it goes on from where it stood', () => {
    expect(passedSince(taken(0n), 'resume')).toBe(0n);
    expect(passedSince(taken(5n), 'resume', 7n)).toBe(0n);
  });

  it('is what has passed since the save, whether KVM told the time of day or not; never backwards', () => {
    for (const flags of [0, 4]) {
      expect(passedSince(taken(5n, flags), 'jump', 12n)).toBe(7n);
      expect(passedSince(taken(5n, flags), 'jump', 3n)).toBe(0n);
    }
  });

  it('is unknown where the checkpoint has no time of day, and that is said', () => {
    expect(thrown(CheckpointError, () => passedSince(taken(0n), 'jump'))).toMatchObject({
      code: 'NO_TIME',
      message: expect.stringContaining('--clock jump'),
    });
  });
});

describeKvm('a saved clock', () => {
  it('has the time of day on every host', () => {
    withVm({}, ({ vm }) => {
      const reader = new VmStateReader(vm, false);
      reader.save();
      const ms = Number(KvmClockData.over(reader.parts.clock!).realtime / 1_000_000n);
      expect(Math.abs(ms - Date.now())).toBeLessThan(60_000);
    });
  });
});
