import { expect, it } from 'vitest';
import { Msr } from '../../src/abi/msrs.ts';
import { KvmError } from '../../src/errors.ts';
import {
  MAX_MSRS_AT_ONCE,
  MsrListIo,
  msrListBytes,
  readMsrList,
  writeMsrList,
  writeMsrs,
} from '../../src/kvm/msr-list.ts';
import { usableMsrs } from '../../src/kvm/state/probe.ts';
import { withVm } from '../support/bare-vm.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const SYSENTER = [Msr.IA32_SYSENTER_CS, Msr.IA32_SYSENTER_ESP, Msr.IA32_SYSENTER_EIP];
/** More than two ioctls take. */
const MANY = Array.from({ length: 2 * MAX_MSRS_AT_ONCE + 3 }, (_, i) => SYSENTER[i % SYSENTER.length]!);
/** Of no processor. */
const NOBODYS = 0x1234_5678;

describeKvm('lists of MSRs', () => {
  it('are read and written in pieces where they are longer than KVM takes', () => {
    withVm({}, ({ vcpu }) => {
      const list = new Uint8Array(msrListBytes(MANY.length));
      const entries = MANY.map((index, i) => ({ index, value: BigInt(0x1000 + i) }));
      writeMsrs(list, entries);
      const before = list.slice();
      writeMsrList(vcpu.fd, list, 0, MANY.length);
      expect(list, 'the list is left as it was').toEqual(before);
      const last = new Map(entries.map(({ index, value }) => [index, value]));
      new MsrListIo(MANY).read(vcpu.fd, list);
      expect(readMsrList(list)).toEqual(MANY.map((index) => ({ index, value: last.get(index) })));
    });
  });

  it.each([MAX_MSRS_AT_ONCE - 1, MAX_MSRS_AT_ONCE, 2 * MAX_MSRS_AT_ONCE])('name the MSR refused: entry %i', (at) => {
    withVm({}, ({ vcpu }) => {
      const indices = MANY.map((index, i) => (i === at ? NOBODYS : index));
      const list = new Uint8Array(msrListBytes(indices.length));
      writeMsrs(
        list,
        indices.map((index) => ({ index, value: 0n })),
      );
      const before = list.slice();
      const read = () => new MsrListIo(indices).read(vcpu.fd, list.slice());
      const write = () => writeMsrList(vcpu.fd, list, 0, indices.length);
      for (const action of [read, write]) {
        expect(thrown(KvmError, action)).toMatchObject({ details: { index: NOBODYS } });
      }
      expect(list).toEqual(before);
    });
  });

  it('find out which MSRs there are by trying', () => {
    withVm({}, ({ vcpu }) => {
      const candidates = [NOBODYS, ...MANY.slice(0, 300), NOBODYS, NOBODYS + 1, Msr.IA32_MCG_CAP, Msr.IA32_SYSENTER_CS];
      const usable = [...MANY.slice(0, 300), Msr.IA32_SYSENTER_CS];
      expect(usableMsrs(vcpu, candidates), 'IA32_MCG_CAP can only be read').toEqual(usable);
    });
  });
});
