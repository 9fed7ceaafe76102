import { type Exercise, faulted, hex } from '../exercise.ts';

const FLAT = 0xffff_ffff;

export const PROTECTED_MODE: Exercise = {
  slug: 'protected-mode',
  lesson: '09-long-mode',
  look: [{ base: 0x10_0000, length: 4 }],
  early: ['pe', 'code-width', 'code', 'data'],
  checks: {
    pe: ({ runs: [run] }) => !run || (run.special.cr0 & 1n) === 1n || { cr0: hex(run.special.cr0) },
    'code-width': ({ runs: [run] }) => !run || run.special.cs.db === 1,
    code: ({ runs: [run] }) => {
      if (!run) return true;
      const { base, limit, type, present, s } = run.special.cs;
      const right = base === 0 && limit === FLAT && (type & 0xa) === 0xa && present === 1 && s === 1;
      return right || { base: hex(base), limit: hex(limit), type: hex(type), present, s };
    },
    data: ({ runs: [run] }) => {
      if (!run) return true;
      const { base, limit, type, present } = run.special.ds;
      return (
        (base === 0 && limit === FLAT && (type & 0xa) === 2 && present === 1) || {
          base: hex(base),
          limit: hex(limit),
          type: hex(type),
        }
      );
    },
    fault: (seen) => faulted(seen) === undefined || { exit: faulted(seen)!.exit },
    written: ({ memory: [bytes] }) => bytes === '78563412' || { bytes: bytes ?? '-' },
  },
};
