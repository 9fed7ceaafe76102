import { describe, expect, it } from 'vitest';
import { GuestMemoryError, KvmError } from '../../src/errors.ts';
import { Mapping } from '../../src/ffi/mapping.ts';
import { setTracer } from '../../src/kvm/call.ts';
import { prepareBoot } from '../../src/machine/boot.ts';
import { Machine } from '../../src/machine/machine.ts';
import { MP_TABLE_GPA } from '../../src/machine/mptable.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { boot, CODE, run, withMachine } from '../support/machines.ts';
import { thrown } from '../support/thrown.ts';

const MIB = 2 ** 20;
const SINGLE = { cpus: 1, irqchip: true, disks: [], rng: false };

describe('preparing to boot', () => {
  const withMemory = (test: (memory: GuestMemory) => void) => {
    using memory = GuestMemory.create(2 * MIB);
    test(memory);
  };
  const signature = (memory: GuestMemory) => Buffer.from(memory.read(MP_TABLE_GPA, 4)).toString('latin1');

  it('puts tables beside the image and tells the guest its processors', () => {
    withMemory((memory) => {
      const occupied = [{ base: 0x1000, size: 0x4000 }];
      const { tables } = prepareBoot(memory, { mode: 'long', rip: 0n }, occupied, SINGLE);
      expect(tables.pageTables).toBeGreaterThanOrEqual(0x5000);
      expect(tables.descriptors).toBeGreaterThan(tables.pageTables);
      expect(memory.readUint(tables.pageTables, 8) & ~0xfffn).toBe(BigInt(tables.pageTables + 4096));
      expect(memory.readUint(tables.descriptors + 8, 8)).not.toBe(0n);
      expect(signature(memory)).toBe('_MP_');
    });
  });

  it('leaves memory alone for real mode', () => {
    withMemory((memory) => {
      prepareBoot(memory, { mode: 'real', rip: 0n }, [], SINGLE);
      expect([...memory.residentRuns(memory.regions[0]!)]).toEqual([]);
    });
  });

  it('writes no MP table where the image lies, nor on a machine without I/O APIC', () => {
    withMemory((memory) => {
      prepareBoot(memory, { mode: 'protected', rip: 0n }, [{ base: MP_TABLE_GPA + 16, size: 1 }], SINGLE);
      expect(signature(memory)).toBe('\0\0\0\0');
      prepareBoot(memory, { mode: 'protected', rip: 0n }, [], { ...SINGLE, irqchip: false });
      expect(signature(memory)).toBe('\0\0\0\0');
    });
  });

  it('says when the image leaves no room', () => {
    withMemory((memory) => {
      const all = [{ base: 0, size: 2 * MIB }];
      const error = thrown(GuestMemoryError, () => prepareBoot(memory, { mode: 'long', rip: 0n }, all, SINGLE));
      expect(error.message).toMatch(/page tables and descriptors.*--mem/);
    });
  });
});

describeKvm('a machine', () => {
  it('has one vCPU and interrupt controllers unless told otherwise', () => {
    withMachine({}, ({ config, vm }) => {
      expect(config).toMatchObject({ cpus: 1, irqchip: true, memory: 2 * MIB });
      expect(vm.getPit2().channels.length).toBe(3);
      expect(vm.getIrqchip(2).chip_id).toBe(2);
    });
    withMachine({ irqchip: false }, ({ vm }) => {
      expect(thrown(KvmError, () => vm.getIrqchip(0)).code).toBe('ENXIO');
    });
  });

  it('tells KVM the pages that Intel hosts need, outside RAM, before there is a vCPU', () => {
    const calls: string[] = [];
    setTracer(({ name, arg }) =>
      calls.push(name === 'KVM_SET_TSS_ADDR' ? `${name} ${Number(arg).toString(16)}` : name),
    );
    try {
      withMachine({}, (machine) => machine.createVcpu(0)[Symbol.dispose]());
    } finally {
      setTracer(undefined);
    }
    const at = (name: string) => calls.indexOf(name);
    expect(at('KVM_SET_TSS_ADDR feffd000')).toBeGreaterThan(at('KVM_CREATE_VM'));
    expect(at('KVM_SET_IDENTITY_MAP_ADDR')).toBeGreaterThan(at('KVM_CREATE_VM'));
    const vcpu = at('KVM_CREATE_VCPU');
    const before = ['KVM_SET_TSS_ADDR feffd000', 'KVM_SET_IDENTITY_MAP_ADDR', 'KVM_CREATE_IRQCHIP', 'KVM_CREATE_PIT2'];
    expect(before.filter((name) => at(name) > vcpu)).toEqual([]);
  });

  it('logs dirty pages of all RAM when told to, and forgets them when told not to', () => {
    withMachine({}, (machine) => {
      using bitmap = Mapping.anonymous(4096);
      const isLogged = (page: number) => {
        bitmap.bytes.fill(0);
        machine.vm.getDirtyLog(0, bitmap);
        return ((bitmap.bytes[page >> 3]! >> (page & 7)) & 1) === 1;
      };
      boot(machine, code('c6 04 25 00 50 00 00 01 ; mov byte [0x5000], 1\n e6 f4'), { mode: 'long' });
      expect(thrown(KvmError, () => machine.vm.getDirtyLog(0, bitmap)).code).toBe('ENOENT');
      machine.setDirtyLogging(true);
      expect(isLogged(5)).toBe(false);
      expect(run(machine).reason).toBe('exit-port');
      expect(isLogged(5)).toBe(true);
      machine.setDirtyLogging(false);
      expect(thrown(KvmError, () => machine.vm.getDirtyLog(0, bitmap)).code).toBe('ENOENT');
    });
  });

  it('is the same machine over its handle, which is plain data', () => {
    withMachine({ irqchip: false }, (machine) => {
      boot(machine, code('b0 05 e6 f4'), { mode: 'protected' });
      const { memory, deviceState, lines, ...rest } = machine.handle;
      expect(structuredClone(rest)).toEqual(rest);
      const borrowed = Machine.borrow(machine.handle);
      borrowed.memory.write(CODE + 1, Uint8Array.of(6));
      borrowed.host(() => {}).setIrq(3, 1);
      expect(machine.lines.waiting).toBe(true);
      expect(machine.lines.take()).toBe(3);
      expect(borrowed.lines.waiting).toBe(false);
      borrowed[Symbol.dispose]();
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 6 });
    });
  });

  it('without irqchip takes raised lines lowest first, each once, until they are lowered', () => {
    withMachine({ irqchip: false }, (machine) => {
      let woken = 0;
      const { setIrq } = machine.host(() => {}, { wake: () => void woken++ });
      setIrq(4, 1);
      setIrq(1, 1);
      setIrq(9, 1);
      setIrq(9, 0);
      expect(woken).toBe(3);
      expect([machine.lines.take(), machine.lines.take(), machine.lines.take()]).toEqual([1, 4, undefined]);
      machine.lines.levels = 0x8000_0001;
      expect([machine.lines.take(), machine.lines.take()]).toEqual([0, 31]);
    });
  });

  it('without irqchip delivers a raised line to the guest as vector 0x20 and up', () => {
    withMachine({ irqchip: false }, (machine) => {
      machine.memory.write(0x24 * 4, Uint8Array.of(0, 0x30)); // vector 0x24: 0000:3000
      machine.memory.write(0x3000, code('b0 24 e6 f4 ; out 0xf4, 0x24'));
      boot(machine, code('fb 66 b9 40 42 0f 00 66 49 75 fc b0 ee e6 f4'), { mode: 'real' });
      machine.host(() => {}).setIrq(4, 1);
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 0x24 });
    });
  });

  it('hands out what the guest prints, while it runs', () => {
    withMachine({}, (machine) => {
      boot(machine, code('b0 48 e6 e9 b0 69 e6 e9 f4'), { mode: 'real' });
      const text: string[] = [];
      const bus = machine.attachBus((channel, bytes) => text.push(`${channel}:${Buffer.from(bytes)}`), {
        shared: false,
      });
      bus.portOut(0xe9, 1, 0x48);
      bus.portOut(0xe9, 1, 0x69);
      expect(text.join(' ')).toMatch(/debugcon:H.*debugcon:i|debugcon:Hi/);
    });
  });
});
