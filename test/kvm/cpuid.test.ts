import { expect, it } from 'vitest';
import { bytesOf } from '../../src/abi/struct.ts';
import { KvmCpuid, KvmCpuid2, KvmCpuidEntry } from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { type CpuidLeaf, readCpuid, writeCpuid } from '../../src/kvm/cpuid.ts';
import { withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const LEAF = 0x4000_0100;
const VALUES = { eax: 0x1111_2222, ebx: 0xffff_ffff, ecx: 3, edx: 0x8000_0000 };
const ASKS = code(`
  66 b8 00 01 00 40  ; mov eax, 0x40000100
  66 31 c9           ; xor ecx, ecx
  0f a2              ; cpuid
  f4                 ; hlt`);

const key = (l: CpuidLeaf) => `${l.function.toString(16)}.${l.index}`;
const leaf = (fields: Partial<CpuidLeaf>): CpuidLeaf => ({ function: LEAF, index: 0, flags: 0, ...VALUES, ...fields });

describeKvm('CPUID', () => {
  it('answers in the guest what KVM_SET_CPUID2 said, and KVM_GET_CPUID2 reads it back', () => {
    withVm({}, (bare) => {
      const leaves = [...bare.kvm.getSupportedCpuid().filter((l) => l.function === 0 || l.function === 1), leaf({})];
      bare.vcpu.setCpuid2(leaves);
      expect(bare.vcpu.getCpuid2()).toContainEqual(leaf({}));
      bare.start(ASKS);
      expect(bare.run().reason).toBe('HLT');
      const { rax, rbx, rcx, rdx } = bare.vcpu.getRegs();
      expect({ eax: Number(rax), ebx: Number(rbx), ecx: Number(rcx), edx: Number(rdx) }).toEqual(VALUES);
    });
  });

  it('takes the old form without sub-leaves', () => {
    withVm({}, (bare) => {
      const list = KvmCpuid.alloc(KvmCpuidEntry.size);
      list.nent = 1;
      Object.assign(KvmCpuidEntry.over(bytesOf(list), KvmCpuid.size), { function: LEAF, ...VALUES });
      bare.vcpu.setCpuid(bytesOf(list));
      expect(bare.vcpu.getCpuid2()).toEqual([leaf({})]);
    });
  });

  it('is all zero until it is set', () => {
    withVm({}, ({ vcpu }) => expect(vcpu.getCpuid2()).toEqual([]));
  });

  it('cannot change once the vCPU has run', () => {
    withVm({}, (bare) => {
      bare.vcpu.setCpuid2([leaf({})]);
      bare.start(code('f4'));
      expect(bare.run().reason).toBe('HLT');
      const error = thrown(KvmError, () => bare.vcpu.setCpuid2([leaf({ eax: 7 })]));
      expect(error.message).toMatch(/KVM_SET_CPUID2: EINVAL.*after the vCPU has run/);
    });
  });

  it('of the size of the whole host table goes in and comes out; a kernel may drop leaves that are all zero', () => {
    const says = (l: CpuidLeaf) => (l.eax | l.ebx | l.ecx | l.edx) !== 0;
    withVm({}, ({ kvm, vcpu }) => {
      const all = kvm.getSupportedCpuid();
      vcpu.setCpuid2(all);
      const got = vcpu.getCpuid2().map(key);
      expect(got).toEqual(expect.arrayContaining(all.filter(says).map(key)));
      expect(all.map(key)).toEqual(expect.arrayContaining(got));
    });
  });

  it('tables survive the way through bytes', () => {
    const leaves = [leaf({}), leaf({ function: 0xb, index: 1, flags: 1 })];
    expect(readCpuid(KvmCpuid2.over(writeCpuid(leaves)))).toEqual(leaves);
  });
});
