import { done, type Exercise, hex } from '../exercise.ts';

const CODE = 0x1000n;

export const FIRST_VCPU: Exercise = {
  slug: 'first-vcpu',
  lesson: '03-vcpu',
  look: [{ base: 0x2000, length: 1 }],
  early: ['not-written', 'base', 'rip'],
  checks: {
    'not-written': (seen) => done(seen, 'KVM_SET_REGS').length > 0 && done(seen, 'KVM_SET_SREGS').length > 0,
    base: ({ runs: [run] }) => !run || run.special.cs.base === 0 || { base: hex(run.special.cs.base) },
    rip: ({ runs: [run] }) => !run || run.before.rip === CODE || { rip: hex(run.before.rip!) },
    operands: ({ runs: [run] }) =>
      (run?.before.rax === 40n && run.before.rbx === 2n) || { rax: run?.before.rax ?? 0, rbx: run?.before.rbx ?? 0 },
    halted: ({ runs }) => runs.at(-1)?.exit === 'HLT' || { exit: runs.at(-1)?.exit ?? '-' },
    sum: ({ memory: [byte] }) => byte === '2a' || { byte: `0x${byte}` },
  },
};
