import { describe, expect, it } from 'vitest';
import type { FaultData, SegmentData } from '../../src/runner/fault/collect.ts';
import { explainFault } from '../../src/runner/fault/explain.ts';
import { hex } from '../support/flat-guest.ts';

const segment = (fields: Partial<SegmentData>): SegmentData => ({
  base: 0n,
  limit: 0xffff_ffff,
  selector: 0x18,
  type: 3,
  present: 1,
  dpl: 0,
  db: 1,
  s: 1,
  l: 0,
  unusable: 0,
  ...fields,
});

const mapped = (linear: bigint) => ({ linear, steps: [], physical: Number(linear) });

/** A vCPU in 64-bit ring 0 at 0x1000, in good order. */
function healthy(code: string, change: Partial<FaultData> = {}): FaultData {
  const names = 'rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
  const data = segment({});
  return {
    end: { reason: 'shutdown' },
    vcpu: 0,
    isAssisting: false,
    kvm: 'VMX',
    mode: { name: 'long', bits: 64, cpl: 0 },
    regs: { ...Object.fromEntries(names.map((name) => [name, 0n])), rip: 0x1000n, rflags: 2n },
    sregs: {
      cs: segment({ selector: 0x10, type: 11, l: 1, db: 0 }),
      ...{ ds: data, es: data, fs: data, gs: data, ss: data },
      tr: segment({ selector: 0x20, type: 11, s: 0, limit: 0x67 }),
      ldt: segment({ unusable: 1 }),
      gdt: { base: 0x7000n, limit: 0x2f },
      idt: { base: 0x3000n, limit: 0xfff },
      cr0: 0x8000_0011n,
      cr2: 0n,
      cr3: 0x2000n,
      cr4: 0x620n,
      cr8: 0n,
      efer: 0x501n,
      apic_base: 0xfee0_0900n,
    },
    code: hex(code),
    walks: { rip: mapped(0x1000n), stack: mapped(0x9000n), idt: mapped(0x3000n), cr2: mapped(0n) },
    gates: [6, 8, 13, 14].map((vector) => ({ vector, state: 'present' as const })),
    ...change,
  };
}

const explain = (data: FaultData) => explainFault(structuredClone(data)).replace(/\s+/g, ' ');
const internal = (suberror: number): Partial<FaultData> => ({
  end: { reason: 'internal-error', detail: { suberror } },
});
const failEntry = (hardwareReason: bigint): Partial<FaultData> => ({
  end: { reason: 'fail-entry', detail: { hardwareReason, cpu: 1 } },
});
const sregs = (change: Partial<FaultData['sregs']>) => ({ sregs: { ...healthy('').sregs, ...change } });

const CASES: readonly { name: string; data: FaultData; says: string[]; not?: string[] }[] = [
  {
    name: 'VMX and invalid guest state, with the contradiction found',
    data: healthy('90', { ...failEntry(0x8000_0021n), ...sregs({ cr0: 0xa000_0011n }) }),
    says: ['hardware reason 0x80000021: invalid guest state', 'CR0.NW without CR0.CD.'],
  },
  {
    name: 'VMX and an entry instruction that failed, with no contradiction',
    data: healthy('90', failEntry(7n)),
    says: ['0x7: VM entry with invalid control fields', 'no contradiction this report knows'],
  },
  {
    name: 'SVM and an invalid VMCB',
    data: healthy('90', { ...failEntry(0xffff_ffffn), kvm: 'SVM', ...sregs({ cr4: 0n }) }),
    says: ['VMEXIT_INVALID', 'long mode (EFER.LMA) without CR4.PAE'],
  },
  {
    name: 'an entry failure nobody has named',
    data: healthy('90', failEntry(0x8000_00ffn)),
    says: ['hardware reason 0x800000ff: a reason this table does not know'],
  },
  {
    name: 'an exit during event delivery, with the words KVM adds',
    data: healthy('90', { ...internal(3), internal: { suberror: 3, words: [0x8000_0b0en, 0x31n] } }),
    says: ['an exit happened while an event was being delivered', 'suberror 3', 'KVM adds: 0x80000b0e 0x31.'],
  },
  {
    name: 'an emulation failure on hardware: memory-mapped I/O',
    data: healthy('0f1003', internal(1)),
    says: ['could not emulate MOVUPS', 'VMX runs MOVUPS by itself', 'memory-mapped I/O', '-mgeneral-regs-only'],
  },
  {
    name: 'an emulation failure of bytes that are no instruction',
    data: healthy('0fff 0f04', { ...internal(1), code: hex('0f04 0000') }),
    says: ['could not emulate the bytes at RIP', 'they are no instruction', '(bad)'],
  },
  {
    name: 'an instruction pointer that is not canonical',
    data: healthy('', {
      ...internal(1),
      walks: { ...healthy('').walks, rip: { linear: 1n << 47n, steps: [], failure: 'not canonical' } },
    }),
    says: ['The instruction pointer itself (0x800000000000) is not a canonical address'],
  },
  {
    name: 'an exit the loop does not serve',
    data: healthy('90', { end: { reason: 'unexpected-exit', detail: { exit: 'DEBUG', number: 4 } } }),
    says: ['no answer to KVM_EXIT_DEBUG: a breakpoint or single step'],
  },
  {
    name: 'an exit newer than the table',
    data: healthy('90', { end: { reason: 'unexpected-exit', detail: { exit: 'exit 77', number: 77 } } }),
    says: ['no answer to exit 77.'],
  },
  {
    name: 'a triple fault on SVM, whose registers are gone',
    data: healthy('90', {
      kvm: 'SVM',
      mode: { name: 'real', bits: 16, cpl: 0 },
      regs: { ...healthy('').regs, rip: 0xfff0n },
      ...sregs({ cs: segment({ selector: 0xf000, base: 0xffff_0000n, type: 11 }), idt: { base: 0n, limit: 0xffff } }),
    }),
    says: ['AMD processors lose the registers'],
    not: ['=>', 'The IDT'],
  },
  {
    name: 'a triple fault in zeros',
    data: healthy('0000 0000 0000'),
    says: ['The instruction pointer is in zeros'],
    not: ['The IDT'],
  },
  {
    name: 'x87 with the task-switched flag',
    data: healthy('d9ee', sregs({ cr0: 0x8000_0019n })),
    says: ['CR0.TS is 1, so FLDZ raises #NM'],
  },
  {
    name: 'SYSCALL that nobody has enabled',
    data: healthy('0f05', sregs({ efer: 0x500n })),
    says: ['EFER.SCE is 0, so SYSCALL raises #UD'],
  },
  {
    name: 'an IDT that lies nowhere',
    data: healthy('90', {
      walks: {
        ...healthy('').walks,
        idt: { linear: 0x3000n, steps: [{ table: 'PML4', index: 0, entry: 0x1n }], failure: 'table outside RAM' },
      },
      gates: [{ vector: 8, state: 'unmapped' }],
    }),
    says: ['The IDT at 0x3000 is PML4[0] points outside RAM', 'no usable gate for #DF (unmapped)'],
  },
];

describe('explainFault', () => {
  for (const { name, data, says, not } of CASES) {
    it(`explains ${name}`, () => {
      const text = explain(data);
      for (const part of says) expect(text).toContain(part);
      for (const part of not ?? []) expect(text).not.toContain(part);
      expect(text).not.toMatch(/undefined|NaN|null/);
    });
  }

  it('says nothing of causes when nothing is wrong with the state', () => {
    const [what] = explainFault(healthy('90')).split('\n\n');
    expect(what!.replace(/\s+/g, ' ')).toBe(
      'Triple fault: an exception could not be delivered, and neither could the double fault that came of it, so the processor shut down (KVM_EXIT_SHUTDOWN).',
    );
  });

  it('shows whole instructions only, and no zeros behind the code', () => {
    const lines = (code: string) =>
      explainFault(healthy(code))
        .split('\n')
        .filter((line) => / 0x10[0-9a-f]{2} {2}/.test(line));
    expect(lines('90 48b8 0102')).toEqual(['=> 0x1000  90                       nop']);
    expect(lines('90 90 0000 0000 0000')).toHaveLength(2);
  });

  it('keeps lines short', () => {
    const longest = Math.max(...CASES.flatMap(({ data }) => explainFault(data).split('\n')).map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(110);
  });
});
