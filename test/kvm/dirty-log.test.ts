import { expect, it } from 'vitest';
import { DIRTY_LOG_PROTECT_FLAGS, MEMORY_REGION_FLAGS } from '../../src/abi/flags.ts';
import { KvmError } from '../../src/errors.ts';
import { Mapping } from '../../src/ffi/mapping.ts';
import { forEachRun } from '../../src/memory/bitmap.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const LOGGED = MEMORY_REGION_FLAGS.LOG_DIRTY_PAGES;
const PAGES = 0x8_0000 / 4096;
/** Each round: takes a page number from port 0xe9 into DS:0 and writes to it. */
const WRITER = code(`
  e5 e9    ; in ax, 0xe9
  8e d8    ; mov ds, ax
  c6 06 00 00 01 ; mov byte [0], 1
  eb f5    ; jmp start`);

/** Lets the guest of {@link WRITER} write to the first byte of a page. */
function guestWrites(bare: BareVm, page: number): void {
  const { area } = bare.vcpu;
  area.view.setUint16(area.ioDataOffset, (page * 4096) >> 4, true);
  expect(bare.run().reason).toBe('IO');
}

/** The logged pages. Others than the guest's data may be among them: accessed bits, the page of the code. */
function logged(bare: BareVm, bitmap: Mapping): Set<number> {
  bitmap.bytes.fill(0);
  bare.vm.getDirtyLog(0, bitmap);
  const pages = new Set<number>();
  forEachRun(new Uint32Array(bitmap.bytes.buffer, bitmap.bytes.byteOffset, PAGES / 32), PAGES, (first, count) => {
    for (let page = first; page < first + count; page++) pages.add(page);
  });
  return pages;
}

describeKvm('the dirty log', () => {
  const withLog = (prepare: ((vm: BareVm['vm']) => void) | undefined, test: (b: BareVm, bitmap: Mapping) => void) =>
    withVm({ flags: LOGGED, ...(prepare && { prepare }) }, (bare) => {
      using bitmap = Mapping.anonymous(4096);
      bare.start(WRITER);
      expect(bare.run().reason).toBe('IO');
      logged(bare, bitmap);
      test(bare, bitmap);
    });

  it('holds what the guest wrote, once', () => {
    withLog(undefined, (bare, bitmap) => {
      guestWrites(bare, 40);
      guestWrites(bare, 41);
      const first = logged(bare, bitmap);
      expect(first).toContain(40);
      expect(first).toContain(41);
      expect(first).not.toContain(42);
      expect(logged(bare, bitmap)).not.toContain(40);
      guestWrites(bare, 40);
      expect(logged(bare, bitmap)).toContain(40);
    });
  });

  it('does not see what the host wrote', () => {
    withLog(undefined, (bare, bitmap) => {
      bare.ram.bytes[50 * 4096] = 1;
      guestWrites(bare, 40);
      const pages = logged(bare, bitmap);
      expect(pages).toContain(40);
      expect(pages).not.toContain(50);
    });
  });

  it('with manual protection holds a page until it is cleared, and logs it again after that', () => {
    const manual = (vm: BareVm['vm']) =>
      vm.enableCap('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', BigInt(DIRTY_LOG_PROTECT_FLAGS.MANUAL_PROTECT_ENABLE));
    withLog(manual, (bare, bitmap) => {
      guestWrites(bare, 70);
      guestWrites(bare, 71);
      expect(logged(bare, bitmap)).toContain(70);
      expect(logged(bare, bitmap), 'reading does not clear').toContain(70);

      bitmap.bytes.fill(0);
      bitmap.bytes[0] = 1 << 6; // page 64 + 6
      bare.vm.clearDirtyLog(0, 64, 64, bitmap);
      const after = logged(bare, bitmap);
      expect(after).not.toContain(70);
      expect(after, 'only what is named is cleared').toContain(71);
      guestWrites(bare, 70);
      expect(logged(bare, bitmap)).toContain(70);
    });
  });

  it('refuses slots that are not logged and ranges that are not multiples of 64', () => {
    using bitmap = Mapping.anonymous(4096);
    withVm({}, ({ vm }) => {
      expect(thrown(KvmError, () => vm.getDirtyLog(0, bitmap)).message).toMatch(/ENOENT.*KVM_MEM_LOG_DIRTY_PAGES/);
      expect(thrown(KvmError, () => vm.getDirtyLog(3, bitmap)).message).toMatch(/ENOENT.*does not exist/);
      expect(thrown(KvmError, () => vm.clearDirtyLog(0, 0, 64, bitmap)).code).toBe('ENOENT');
    });
    withVm({ flags: LOGGED }, ({ vm }) => {
      expect(thrown(KvmError, () => vm.clearDirtyLog(0, 1, 64, bitmap)).message).toMatch(/EINVAL.*multiples of 64/);
      expect(thrown(KvmError, () => vm.clearDirtyLog(0, 0, 63, bitmap)).message).toMatch(/EINVAL.*multiples of 64/);
    });
  });

  it('and a dirty ring exclude each other', ({ skip }) => {
    const ring = (vm: BareVm['vm']) => {
      if (vm.checkExtension('KVM_CAP_DIRTY_LOG_RING') > 0) vm.enableCap('KVM_CAP_DIRTY_LOG_RING', 0x1000n);
    };
    withVm({ flags: LOGGED, prepare: ring }, ({ vm }) => {
      if (vm.checkExtension('KVM_CAP_DIRTY_LOG_RING') === 0) skip('this KVM has no dirty ring');
      using bitmap = Mapping.anonymous(4096);
      expect(thrown(KvmError, () => vm.getDirtyLog(0, bitmap)).message).toMatch(/ENXIO.*ring/);
      expect(thrown(KvmError, () => vm.clearDirtyLog(0, 0, 64, bitmap)).message).toMatch(/ENXIO.*ring/);
    });
  });
});
