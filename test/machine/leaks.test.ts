import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DirtyTracker } from '../../snapshot/dirty-tracker.ts';
import { GuestMemoryError, KvmError, UsageError } from '../../src/errors.ts';
import { EINVAL, Fd } from '../../src/ffi/fd.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineConfig } from '../../src/machine/machine-config.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { addressSpace, mappings, openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';
import { SLOW_HOST } from '../support/time.ts';

/** POSIX timers of this process. */
const timers = () =>
  (existsSync('/proc/self/timers') ? readFileSync('/proc/self/timers', 'latin1') : '').match(/^ID:/gm)?.length ?? 0;

const MIB = 2 ** 20;
/** Fewer where making a machine takes a second; a leak of its memory still goes far above the limit. */
const CYCLES = SLOW_HOST ? 10 : 50;

/** A machine with everything in it, made and taken down. */
function cycle(): void {
  using machine = Machine.create({ memory: 64 * MIB });
  machine.addRom(0xffe0_0000, new Uint8Array(MIB).fill(1));
  machine.memory.write(0, new Uint8Array(4096).fill(1));
  machine.setBoot({ mode: 'long', rip: 0x10_0000n }, []);
  using vcpu = machine.createVcpu(0);
  expect(vcpu.getRegs().rip).toBe(0x10_0000n);
  expect(openDescriptors().length).toBeGreaterThanOrEqual(4);
  expect(mappings().length).toBeGreaterThanOrEqual(2);
}

describeKvm('a machine that was disposed of', () => {
  it(`leaves no descriptor and no mapping behind, ${CYCLES} times over`, () => {
    const before = { open: openDescriptors(), mapped: mappings() };
    cycle();
    const size = addressSpace();
    for (let i = 0; i < CYCLES; i++) cycle();
    expect({ open: openDescriptors(), mapped: mappings() }).toEqual(before);
    // 65 MiB a machine would be 650 MiB or 3 GiB by now; the runtime's own heap stays far below.
    expect(addressSpace() - size).toBeLessThan(300 * MIB);
  });

  it('can be disposed of again', () => {
    const machine = Machine.create({ memory: MIB });
    machine[Symbol.dispose]();
    const open = openDescriptors();
    machine[Symbol.dispose]();
    expect(openDescriptors()).toEqual(open);
  });
});

/** Lets the n-th ioctl that carries an integer or a pointer fail, as if the kernel refused it. */
function failingAt(n: number, action: () => void): boolean {
  const { ioctlInt, ioctlPtr } = Fd.prototype;
  let calls = 0;
  const fails = () => calls++ === n;
  Fd.prototype.ioctlInt = function (...args) {
    return fails() ? -EINVAL : ioctlInt.apply(this, args);
  };
  Fd.prototype.ioctlPtr = function (...args) {
    return fails() ? -EINVAL : ioctlPtr.apply(this, args);
  };
  try {
    action();
  } finally {
    Object.assign(Fd.prototype, { ioctlInt, ioctlPtr });
  }
  return calls > n;
}

describeKvm('a machine that could not be made', () => {
  const refusals: [string, MachineConfig, typeof UsageError | typeof GuestMemoryError][] = [
    ['too little RAM', { memory: 4096 }, GuestMemoryError],
    ['RAM that is no multiple of a page', { memory: MIB + 1 }, GuestMemoryError],
    ['no vCPU', { memory: MIB, cpus: 0 }, UsageError],
    ['more vCPUs than KVM has', { memory: MIB, cpus: 1_000_000 }, UsageError],
  ];
  it.each(refusals)('for %s leaves nothing behind', (_why, config, type) => {
    const before = { open: openDescriptors(), mapped: mappings() };
    thrown<GuestMemoryError | UsageError>(type, () => Machine.create(config));
    expect({ open: openDescriptors(), mapped: mappings() }).toEqual(before);
  });

  it('leaves nothing behind whichever ioctl fails, of the machine, its runner or its dirty log', () => {
    const held = () => ({ open: openDescriptors(), mapped: mappings(), timers: timers() });
    const before = held();
    let n = 0;
    for (; ; n++) {
      const reached = failingAt(n, () => {
        try {
          using machine = Machine.create({ memory: 64 * MIB });
          machine.setBoot({ mode: 'long', rip: 0n }, []);
          using _local = new LocalMachine(machine);
          using _tracker = new DirtyTracker(machine);
        } catch (error) {
          expect(error).toBeInstanceOf(KvmError);
        }
      });
      expect({ n, ...held() }).toEqual({ n, ...before });
      if (!reached) break;
    }
    expect(n, 'ioctls tried').toBeGreaterThan(10);
  });
});
