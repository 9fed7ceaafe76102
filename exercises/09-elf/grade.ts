import { readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { type Exercise, hex, type Observation } from '../exercise.ts';

/** The guest's segments as the loader has them: the end of what the file gives, and the end in memory. */
const segments = () => {
  const memoryMap = [{ base: 0, size: 2 ** 22, type: 1 as const }];
  return load(readGuest('compute-ring3'), { memoryMap }).segments.filter(({ gpa }) => gpa >= 0x10_0000);
};

/** What was in memory before the guest ran, of one of the segments. */
const before = ({ runs: [run] }: Observation, i: number) => Buffer.from(run?.memory.before[i] ?? '', 'hex');

/** The first of the segments that is not as `wanted` says, from `from` on. */
function firstWrong(seen: Observation, part: 'file' | 'rest'): { address: string } | undefined {
  for (const [i, { gpa, bytes, memSize }] of segments().entries()) {
    const found = before(seen, i);
    const [from, to] = part === 'file' ? [0, bytes.length] : [bytes.length, memSize];
    const wanted = part === 'file' ? Buffer.from(bytes) : Buffer.alloc(to - from);
    if (!found.subarray(from, to).equals(wanted)) return { address: hex(gpa + from) };
  }
  return undefined;
}

export const ELF: Exercise = {
  slug: 'elf',
  lesson: '08-elf',
  look: () => [
    ...segments().map(({ gpa, memSize }) => ({ base: gpa, length: memSize })),
    ...segments().map(({ gpa, memSize }) => ({ base: gpa + memSize, length: 8 })),
  ],
  early: ['nothing', 'file', 'bss', 'beyond'],
  checks: {
    nothing: (seen) => seen.runs.length === 0 || !before(seen, 0).every((byte) => byte === 0xcc),
    file: (seen) => (seen.runs.length === 0 ? true : (firstWrong(seen, 'file') ?? true)),
    bss: (seen) => (seen.runs.length === 0 ? true : (firstWrong(seen, 'rest') ?? true)),
    beyond: (seen) => {
      const ends = segments().map(({ gpa, memSize }) => gpa + memSize);
      const i = ends.findIndex((_, n) => !before(seen, ends.length + n).every((byte) => byte === 0xcc));
      return i < 0 || { address: hex(ends[i]!) };
    },
  },
};
