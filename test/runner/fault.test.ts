import { expect, it } from 'vitest';
import { collectFault } from '../../src/runner/fault/collect.ts';
import { explainFault } from '../../src/runner/fault/explain.ts';
import { runHere } from '../../src/runner/local-machine.ts';
import type { RunReason } from '../../src/runner/result.ts';
import { CODE, type FlatGuest, hex, withGuest } from '../support/flat-guest.ts';
import { describeKvm, hostKind, isPvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

/** SVM loses the registers of a guest in a triple fault. */
const LOST = 'AMD processors lose the registers';

const SYMBOLS = {
  nearest: (address: bigint) =>
    address >= BigInt(CODE) && address < BigInt(CODE) + 0x1000n
      ? { symbol: { name: 'start' }, offset: address - BigInt(CODE) }
      : undefined,
};

/** Runs a guest to its end and explains it, through the copy that crosses threads. */
function explain(guest: FlatGuest, assist: 'off' | 'on' = 'off'): { reason: RunReason; text: string } {
  return withGuest(guest, (machine, vcpu) => {
    const result = runHere(machine, { assist, timeoutMs: scaled(3000) }, vcpu);
    const data = structuredClone(collectFault({ vcpu, machine, isAssisting: assist === 'on' }, result));
    return { reason: result.reason, text: explainFault(data, SYMBOLS) };
  });
}

/** The words of a report, whatever lines they were wrapped into. */
const words = (text: string) => text.replace(/\s+/g, ' ');

interface TripleFault extends FlatGuest {
  readonly name: string;
  readonly says: readonly string[];
}

const TRIPLE_FAULTS: readonly TripleFault[] = [
  {
    name: 'UD2 without an IDT',
    mode: 'long',
    code: '90 0f0b',
    says: [
      'UD2, which raises #UD',
      'The IDT is empty (base 0x0, limit 0)',
      'at 0x8001 <start+0x1>, long mode, 64-bit code, ring 0',
      '=> 0x8001 0f 0b ud2',
      'cr0 0x80000011 [PE ET PG]',
      'cs 0x0010 base 0x0 limit 0xffffffff 64-bit code, ring 0',
    ],
  },
  {
    name: 'SSE before CR4.OSFXSR',
    mode: 'long',
    code: '0f1003', // movups xmm0, [rbx]
    says: ['MOVUPS is an SSE instruction and CR4.OSFXSR is 0', '-mgeneral-regs-only', '=> 0x8000 0f 10 03 movups'],
  },
  {
    name: 'a jump to an address that is not mapped',
    mode: 'long',
    code: 'ffe3', // jmp rbx
    regs: { rbx: 0x7000_0000_0000n },
    says: [
      'The instruction pointer itself (0x700000000000) is not mapped: PML4[224] is not present.',
      'CR2 = 0x700000000000, which is not mapped',
      'at 0x700000000000, long mode',
    ],
  },
  {
    name: 'a write that faults, with an IDT full of absent gates',
    mode: 'long',
    handlers: { 3: 'f4' },
    code: '8903', // mov [rbx], eax
    regs: { rbx: 0x1234_5678_9000n },
    says: ['no usable gate for #UD (not present), #DF (not present), #GP (not present), #PF (not present)', 'PML4[36]'],
  },
  {
    name: 'a stack nowhere',
    mode: 'long',
    code: '50', // push rax
    regs: { rsp: 0x8000_0000_0000_0000n },
    says: ['The stack (0x8000000000000000) is not a canonical address', '=> 0x8000 50 push rax'],
  },
  {
    name: '32-bit code, with the names of its registers',
    mode: 'protected',
    code: '0f0b',
    regs: { rcx: 0x1234n },
    says: ['protected mode, 32-bit code', 'ecx 0x00001234', 'eip 0x00008000'],
  },
];

describeKvm('the report of a triple fault', () => {
  for (const { name, says, ...guest } of TRIPLE_FAULTS) {
    it(name, () => {
      const { reason, text } = explain(guest);
      expect(reason).toBe('shutdown');
      expect(text).toMatch(/^Triple fault: .*/);
      for (const part of words(text).includes(LOST) ? [] : says) expect(words(text)).toContain(part);
      expect(words(text).includes(LOST)).toBe(hostKind === 'SVM');
      expect(text).not.toMatch(/undefined|NaN|null|\.[jt]s:\d/);
    });
  }

  it('says that PVM has no 32-bit paging', () => {
    // mov eax, 0x20000; mov cr3, eax; mov cr0 with PG; the page directory is empty, so hardware faults as well
    const { reason, text } = explain({ mode: 'protected', code: 'b800000200 0f22d8 0f20c0 0d00000080 0f22c0 90' });
    expect(reason).toBe('shutdown');
    expect(words(text).includes('cannot run 32-bit paging')).toBe(isPvm);
  });
});

describeKvm('the report of an emulation failure', () => {
  const osfxsr = '0f20e0 0d00020000 0f22e0';

  it('names the instruction, the reason and the cure', () => {
    const { reason, text } = explain({ mode: 'long', code: `${osfxsr} 0f57c0 0f58c1 e6f4` }, 'on');
    if (!isPvm) return expect(reason).toBe('exit-port');
    expect(reason).toBe('internal-error');
    for (const part of [
      'KVM could not emulate XORPS (KVM_EXIT_INTERNAL_ERROR, suberror 1: emulation failure).',
      "This host's kind of KVM (PVM) runs ring-0 code with an instruction emulator, which lacks XORPS.",
      'Hardware virtualization (VMX, SVM) would run it',
      'Compile the guest with -mgeneral-regs-only',
      'at 0x800b <start+0xb>, long mode',
      '=> 0x800b 0f 57 c0 xorps xmm0, xmm0 0x800e 0f 58 c1 addps xmm0, xmm1',
      'cr4 0x220 [PAE OSFXSR]',
    ])
      expect(words(text)).toContain(part);
    expect(words(text)).not.toContain('instruction assist');
  });

  it('offers the assist for what it can do', () => {
    const { reason, text } = explain({ mode: 'long', code: '9b e6f4' });
    if (!isPvm) return expect(reason).toBe('exit-port');
    expect(words(text)).toContain('KVM could not emulate FWAIT');
    expect(words(text)).toContain('The instruction assist can do it (--assist on)');
    expect(words(text)).not.toContain('general-regs-only');
  });

  it('does not recommend the assist where it is on', () => {
    const { reason, text } = explain({ mode: 'long', code: `${osfxsr} 0fae13`, regs: { rbx: 0x70_0000_0000n } }, 'on');
    if (!isPvm) return expect(reason).toBe('shutdown'); // a page fault without an IDT
    expect(words(text)).toContain('The instruction assist is on, and cannot do it with these operands.');
    expect(words(text)).not.toContain('--assist on');
  });

  it('shows an instruction in ROM', () => {
    const guest: FlatGuest = { mode: 'long', code: 'ffe3', regs: { rbx: 0x8000_0000n } };
    withGuest(guest, (machine, vcpu) => {
      machine.addRom(0x8000_0000, hex(`${osfxsr} 0f57c0 e6f4`));
      const result = runHere(machine, { timeoutMs: scaled(3000) }, vcpu);
      if (!isPvm) return expect(result.reason).toBe('exit-port');
      const text = explainFault(collectFault({ vcpu, machine, isAssisting: false }, result));
      expect(words(text)).toContain('KVM could not emulate XORPS');
      expect(words(text)).toContain('=> 0x8000000b 0f 57 c0 xorps xmm0, xmm0');
    });
  });

  it('says so when the guest has left its memory', () => {
    const { reason, text } = explain({ mode: 'long', code: 'ffe3', regs: { rbx: 0x8000_0000n } });
    expect(reason).toBe('internal-error');
    expect(words(text)).toContain(
      'There is neither RAM nor ROM at the instruction pointer (guest-physical 0x80000000)',
    );
  });
});

describeKvm('the report of a run that was stopped', () => {
  it('shows where the guest was', () => {
    const { reason, text } = withGuest({ mode: 'real', code: 'ebfe' }, (machine, vcpu) => {
      const result = runHere(machine, { timeoutMs: 50 }, vcpu);
      return { reason: result.reason, text: explainFault(collectFault({ vcpu, machine, isAssisting: false }, result)) };
    });
    expect(reason).toBe('timeout');
    expect(words(text)).toContain('at 0x8000, real mode, 16-bit code, ring 0 => 0x8000 eb fe jmp short 0x8000');
  });
});
