import { expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { Mapping } from '../../src/ffi/mapping.ts';
import type { Vm } from '../../src/kvm/vm.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const MIB = 2 ** 20;

describeKvm('memory slots', () => {
  const refused = (vm: Vm, slot: Partial<Parameters<Vm['setUserMemoryRegion']>[0]>, mapping: Mapping) =>
    thrown(KvmError, () => vm.setUserMemoryRegion({ slot: 1, flags: 0, gpa: MIB, size: 0x1000, mapping, ...slot }));

  it('must not overlap', () => {
    withVm({}, ({ vm, ram }) => {
      const error = refused(vm, { gpa: 0x7_f000, size: 0x2000 }, ram);
      expect(error).toMatchObject({ ioctl: 'KVM_SET_USER_MEMORY_REGION', code: 'EEXIST' });
      expect(error.hint).toContain('overlaps another memory slot');
    });
  });

  it.each([
    ['address', { gpa: MIB + 0x800 }],
    ['size', { size: 0x1800 }],
    ['user memory', { offset: 0x10 }],
    ['slot number', { slot: 0xffff }],
    ['flags', { flags: 0x8000_0000 }],
  ])('with a bad %s are refused with what would be right', (_what, bad) => {
    withVm({}, ({ vm, ram }) => {
      const error = refused(vm, bad, ram);
      expect(error.code).toBe('EINVAL');
      expect(error.hint).toMatch(/multiples of 4 KiB.*KVM_CAP_NR_MEMSLOTS/);
    });
  });

  it('do not change their size, but can be deleted and made anew', () => {
    withVm({}, ({ vm, slot }) => {
      expect(thrown(KvmError, () => vm.setUserMemoryRegion({ ...slot, size: 0x1000 })).code).toBe('EINVAL');
      vm.setUserMemoryRegion({ ...slot, size: 0 });
      vm.setUserMemoryRegion({ ...slot, size: 0x1000 });
    });
  });

  it('back what the guest reads and writes, at the offset they name', () => {
    withVm({}, (bare) => {
      using other = Mapping.anonymous(0x3000);
      bare.vm.setUserMemoryRegion({ slot: 1, flags: 0, gpa: 0xa_0000, size: 0x1000, mapping: other, offset: 0x2000 });
      other.bytes[0x2005] = 0x37;
      bare.start(
        code(`
          b8 00 a0    ; mov ax, 0xa000
          8e d8       ; mov ds, ax
          a0 05 00    ; mov al, [5]
          e6 e9       ; out 0xe9, al
          c6 06 06 00 99 ; mov byte [6], 0x99
          f4          ; hlt`),
      );
      expect(bare.outByte()).toBe(0x37);
      expect(bare.run().reason).toBe('HLT');
      expect(other.bytes[0x2006]).toBe(0x99);
    });
  });
});

describeKvm('a memory alias, the modern way', () => {
  const TARGET = 0x3000;
  const ALIAS = 0xb_0000;
  const withAlias = (test: (bare: BareVm) => void) => () =>
    withVm({}, (bare) => {
      bare.vm.addMemoryAlias(5, ALIAS, bare.slot, TARGET, 0x1000);
      test(bare);
    });

  it(
    'shows at one address what the guest wrote at the other, both ways',
    withAlias((bare) => {
      bare.start(
        code(`
          b8 00 b0    ; mov ax, 0xb000
          8e d8       ; mov ds, ax
          31 c0       ; xor ax, ax
          8e c0       ; mov es, ax
          c6 06 10 00 a1       ; mov byte [0x10], 0xa1      through the alias
          26 a0 10 30          ; mov al, es:[0x3010]        at the target
          e6 e9                ; out 0xe9, al
          26 c6 06 20 30 b2    ; mov byte es:[0x3020], 0xb2 at the target
          a0 20 00             ; mov al, [0x20]             through the alias
          e6 e9                ; out 0xe9, al
          f4`),
      );
      expect(bare.outByte()).toBe(0xa1);
      expect(bare.outByte()).toBe(0xb2);
      expect(bare.ram.bytes[TARGET + 0x10]).toBe(0xa1);
    }),
  );

  it(
    'overlaps like any slot when it is put on RAM',
    withAlias(({ vm, slot }) => {
      expect(thrown(KvmError, () => vm.addMemoryAlias(6, 0x4000, slot, TARGET, 0x1000)).code).toBe('EEXIST');
    }),
  );

  it('replaces the ioctls that are gone, which say so', () => {
    withVm({}, ({ vm, vcpu }) => {
      expect(thrown(KvmError, () => vm.setMemoryAlias()).message).toMatch(
        /KVM_SET_MEMORY_ALIAS: ENOTTY.*removed.*2\.6\.36.*second KVM_SET_USER_MEMORY_REGION slot/,
      );
      expect(thrown(KvmError, () => vm.setMemoryRegion()).message).toMatch(/removed.*use KVM_SET_USER_MEMORY_REGION/);
      expect(thrown(KvmError, () => vcpu.debugGuest()).message).toMatch(/removed.*use KVM_SET_GUEST_DEBUG/);
    });
  });
});
