import { describe, expect, it } from 'vitest';
import type { MachineState } from '../../../snapshot/machine-state.ts';
import { stateSections } from '../../../snapshot/show/state-sections.ts';
import { segmentMeaning, VCPU_FIELDS } from '../../../snapshot/show/vcpu-fields.ts';
import { redirectionMeaning } from '../../../snapshot/show/vm-fields.ts';
import { xsaveFields } from '../../../snapshot/show/xsave.ts';
import { withBitsInUse } from '../../../snapshot/show/xsave-in-use.ts';
import { bytesOf } from '../../../src/abi/struct.ts';
import { KvmSegment, KvmVcpuEvents } from '../../../src/abi/structs.ts';
import { writeCpuid } from '../../../src/kvm/cpuid.ts';
import { madeUpState } from './made-up.ts';

const fieldOf = (state: MachineState, path: string, name: string) =>
  stateSections(state)
    .find((section) => section.path === path)
    ?.fields.find((field) => field.name === name);

describe('state as named fields', () => {
  const state = madeUpState({
    cpus: 2,
    regs: { rax: 0xffff_ffff_ffff_fff0n, rflags: 0x246n },
    sregs: { cr0: 0x8000_0011n, cr3: 0x10_3018n, efer: 0x500n },
    efer: 0x500n,
    ioapicPin1: 0x0200_0000_0000_8931n,
    clock: 1_500_000_000n,
    lapicSvr: 0x1ff,
    serialScratch: 0x5a,
  });

  it.each([
    ['vcpu/0/regs', 'rax', 0xffff_ffff_ffff_fff0n, undefined],
    ['vcpu/1/regs', 'rflags', 0x246n, 'PF|ZF|IF'],
    ['vcpu/0/sregs', 'cr0', 0x8000_0011n, 'PE|ET|PG'],
    ['vcpu/0/sregs', 'cr3', 0x10_3018n, 'PWT|PCD'],
    ['vcpu/0/sregs', 'efer', 0x500n, 'LME|LMA'],
    ['vcpu/0/msrs', 'IA32_EFER', 0x500n, 'LME|LMA'],
    ['vcpu/0/msrs', 'IA32_TSC', 1_500_001_000n, undefined],
    ['vcpu/0/lapic', 'svr', 0x1ffn, undefined],
    ['vcpu/0/tsc_khz', 'khz', 2_000_000n, '2 GHz'],
    ['vcpu/0/mp_state', 'mp_state', 0n, 'RUNNABLE'],
    ['vcpu/1/mp_state', 'mp_state', 1n, 'UNINITIALIZED'],
    ['vcpu/0/vcpu_events', 'exception.pending', 0n, undefined],
    ['vm/clock', 'clock', 1_500_000_000n, '1.5 s'],
    ['vm/pit2', 'channels2.mode', 0n, undefined],
    ['vm/ioapic', 'base_address', 0xfec0_0000n, undefined],
    ['device/com1', 'scr', 0x5an, undefined],
    ['machine/cpuid', 'leaf_0x0_0.edx', 4n, undefined],
  ])('%s %s', (path, name, value, meaning) => {
    const field = fieldOf(state, path, name);
    expect(field?.value).toBe(value);
    expect(field?.meaning).toBe(meaning);
  });

  it('a change of any register is seen', () => {
    const dump = (s: MachineState) =>
      JSON.stringify(stateSections(s), (_, v) => (typeof v === 'bigint' ? v.toString() : v));
    const before = dump(state);
    for (const part of ['regs', 'lapic'] as const) {
      const bytes = state.vcpus[0]![part]!;
      // Only the first word of each 16 bytes is a register of the local APIC, from offset 0x20 on.
      const offsets = part === 'regs' ? Array.from(bytes, (_, i) => i) : [0x20, 0x80, 0xf3, 0x100, 0x170, 0x3e0];
      for (const at of offsets) {
        bytes[at]! ^= 0xff;
        expect(dump(state), `${part}[${at}]`).not.toBe(before);
        bytes[at]! ^= 0xff;
      }
    }
    expect(dump(state)).toBe(before);
  });

  it('parts of the wrong size are shown as bytes, not refused', () => {
    const broken: MachineState = {
      ...state,
      vcpus: [{ ...state.vcpus[0], regs: new Uint8Array(3), msrs: Uint8Array.of(255, 255, 0, 0, 0, 0, 0, 0) }],
      devices: new Map([
        ['com1', new Uint8Array(2)],
        ['unheard-of', Uint8Array.of(7)],
      ]),
    };
    for (const path of ['vcpu/0/regs', 'vcpu/0/msrs', 'device/com1', 'device/unheard-of'])
      expect(fieldOf(broken, path, 'bytes')?.value, path).toBeInstanceOf(Uint8Array);
  });
});

describe('words for bits', () => {
  it('segments', () => {
    const segment = (values: object) => segmentMeaning(bytesOf(Object.assign(KvmSegment.alloc(), values)));
    expect(segment({ type: 11, s: 1, present: 1, l: 1, g: 1 })).toBe(
      'code execute/read, dpl 0, 64-bit, limit in pages',
    );
    expect(segment({ type: 3, s: 1, present: 1, db: 1, dpl: 3 })).toBe('data read/write, dpl 3, 32-bit');
    expect(segment({ type: 11, present: 1 })).toBe('TSS busy');
    expect(segment({ type: 3, s: 1, present: 1, unusable: 1 })).toBe('unusable');
  });

  it('redirections', () => {
    expect(redirectionMeaning(0x0200_0000_0000_8931n)).toBe(
      'vector 0x31, lowest priority, level, active high, logical destination 2',
    );
    expect(redirectionMeaning(0x1_0000n)).toBe('vector 0x0, fixed, edge, active high, physical destination 0, masked');
  });

  it('the XSAVE area by register', () => {
    const area = new Uint8Array(1024);
    area.set([0x7f, 3], 0);
    area.set([0x80, 0x1f], 24);
    area[160 + 16 * 5] = 0x55;
    area[512] = 7;
    area[576 + 16 * 2] = 0x66;
    const fields = new Map(xsaveFields(area).map((field) => [field.name, field]));
    expect(fields.get('fcw')?.value).toBe(0x37fn);
    expect(fields.get('mxcsr')?.value).toBe(0x1f80n);
    expect(fields.get('xstate_bv')?.meaning).toBe('X87|SSE|AVX');
    expect((fields.get('xmm5')!.value as Uint8Array)[0]).toBe(0x55);
    expect((fields.get('ymm_upper2')!.value as Uint8Array)[0]).toBe(0x66);
    expect((fields.get('extended')!.value as Uint8Array).length).toBe(1024 - 832);
  });
});

describe('the components of an XSAVE area in use', () => {
  // As on a processor with AVX, and PKRU at 2432.
  const leaf = (index: number, eax: number, ebx: number) => ({
    function: 0xd,
    index,
    flags: 1,
    eax,
    ebx,
    ecx: 0,
    edx: 0,
  });
  const cpuid = writeCpuid([leaf(0, 0x207, 2440), leaf(1, 0xf, 0), leaf(2, 256, 576), leaf(9, 8, 2432)]);
  const ALL = 0x207n;

  /** Everything as after power-on but for one byte; XSTATE_BV has all bits set. */
  function area(offset: number, value: number): Uint8Array {
    const bytes = new Uint8Array(4096);
    bytes.set([0x7f, 3], 0);
    bytes.set([0x80, 0x1f], 24);
    bytes.set([0xff, 0xff], 28);
    new DataView(bytes.buffer).setBigUint64(512, ALL, true);
    bytes[offset] = value;
    return bytes;
  }
  const inUse = (bytes: Uint8Array) => new DataView(withBitsInUse(bytes, cpuid).buffer).getBigUint64(512, true);

  it.each([
    ['none, as after power-on', 0, 0x7f, 0n],
    ['the x87 by its control word', 0, 0x7e, 1n],
    ['the x87 by its tag word', 4, 1, 1n],
    ['the x87 by its last register', 159, 1, 1n],
    ['SSE by MXCSR', 24, 0, 2n],
    ['SSE by XMM15', 415, 1, 2n],
    ['AVX', 576, 1, 4n],
    ['PKRU', 2439, 1, 0x200n],
    ['none: what lies behind belongs to nothing', 2440, 1, 0n],
  ])('%s', (_, offset, value, expected) => {
    expect(inUse(area(offset, value))).toBe(expected);
  });

  it('a clear bit stays clear, and nothing else changes', () => {
    const bytes = area(160, 5).with(512, 0).with(513, 0);
    expect(withBitsInUse(bytes, cpuid)).toEqual(bytes);
  });

  it('two states that differ only in how they say so are shown alike', () => {
    const [unused, initial] = [area(0, 0x7f).with(512, 0), area(0, 0x7f)].map((xsave) => {
      const state = madeUpState();
      return stateSections({ ...state, cpuid, vcpus: [{ ...state.vcpus[0], xsave }] });
    });
    expect(initial).toEqual(unused);
  });

  it('a component that claims to lie outside of the area is in use for all that is known', () => {
    const far = writeCpuid([leaf(2, 0xffff_ffff, 0xffff_ffff), leaf(9, 8, 4090), leaf(200, 8, 600)]);
    const bytes = withBitsInUse(area(0, 0x7f), far);
    expect(new DataView(bytes.buffer).getBigUint64(512, true)).toBe(0x204n);
  });
});

describe('pending events', () => {
  it('tell fields that count from events that are pending', () => {
    const events = new Uint8Array(64);
    KvmVcpuEvents.over(events).flags = 0x0d;
    const fields = VCPU_FIELDS.vcpu_events.fields(events);
    expect(fields.find(({ name }) => name === 'flags')).toMatchObject({
      value: 13n,
      meaning: 'valid: nmi_pending|shadow|smm',
    });
  });
});
