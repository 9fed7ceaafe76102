import { expect, it } from 'vitest';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { describeKvm } from '../support/kvm.ts';

const PML4 = 0x10_0000;
const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const LARGE = 0x80n;

/** Four levels of tables by hand: 2 MiB at 0 to itself; page 0x400000 to 0x5000 read-only; 0x401000 absent. */
function map(bare: BareVm): void {
  const entries = new BigUint64Array(bare.ram.bytes.buffer, bare.ram.bytes.byteOffset + PML4, 512 * 4);
  const at = (level: number, index: number, value: bigint) => {
    entries[level * 512 + index] = value;
  };
  const table = (level: number) => BigInt(PML4 + level * 4096) | PRESENT | WRITABLE | USER;
  at(0, 0, table(1));
  at(1, 0, table(2));
  at(2, 0, PRESENT | WRITABLE | USER | LARGE);
  at(2, 2, table(3));
  at(3, 0, 0x5000n | PRESENT | USER);
}

function enableLongMode(bare: BareVm): void {
  const sregs = bare.vcpu.getSregs();
  sregs.cr3 = BigInt(PML4);
  sregs.cr4 |= 1n << 5n;
  sregs.efer |= (1n << 8n) | (1n << 10n);
  sregs.cr0 |= 1n | (1n << 31n);
  Object.assign(sregs.cs, { type: 0xb, l: 1, db: 0, g: 1, selector: 8 });
  bare.vcpu.setSregs(sregs);
}

describeKvm('KVM_TRANSLATE', () => {
  it('walks the page tables of the guest', () => {
    withVm({ ram: 2 ** 21 }, (bare) => {
      map(bare);
      enableLongMode(bare);
      const { vcpu } = bare;
      expect(vcpu.translate(0x1234n)).toMatchObject({ physical: 0x1234, valid: true });
      // KVM on x86 looks at the address alone: it calls every page writeable and none a user's.
      const readOnly = { physical: 0x5abc, valid: true, writeable: true, usermode: false };
      expect(vcpu.translate(0x40_0abcn)).toEqual(readOnly);
    });
  });

  it('says that an address is not mapped', () => {
    withVm({ ram: 2 ** 21 }, (bare) => {
      map(bare);
      enableLongMode(bare);
      for (const linear of [0x40_1000n, 0x20_0000n, 0x7fff_ffff_f000n]) {
        expect(bare.vcpu.translate(linear)).toMatchObject({ physical: 0, valid: false });
      }
    });
  });

  it('is the identity without paging', () => {
    withVm({}, ({ vcpu }) => expect(vcpu.translate(0x7_1234n)).toMatchObject({ physical: 0x7_1234, valid: true }));
  });
});
