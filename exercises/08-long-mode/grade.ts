import { calls, type Exercise, faulted, field, hex, type Observation } from '../exercise.ts';

/** Of the registers as the program gave them, whether KVM took them or not. */
const register = (seen: Observation, name: string): bigint => {
  const last = calls(seen, 'KVM_SET_SREGS').at(-1);
  return last ? BigInt(field(last, name) as bigint) : 0n;
};
const has = (value: bigint, ...bits: readonly number[]) => bits.every((bit) => (value >> BigInt(bit)) & 1n);

/** An entry of a table, from the observed ranges: one of 16 bytes for each table. */
const entry = ({ runs: [run] }: Observation, table: number, index = 0): bigint | undefined => {
  const bytes = run?.memory.before[table];
  return bytes ? Buffer.from(bytes, 'hex').readBigUInt64LE(index * 8) : undefined;
};
const leads = (seen: Observation, table: number, to: bigint) => {
  const found = entry(seen, table);
  return found === undefined || ((found & 3n) === 3n && (found & ~0xfffn) === to) || { entry: hex(found) };
};

export const LONG_MODE: Exercise = {
  slug: 'long-mode',
  lesson: '09-long-mode',
  look: [...[0x3000, 0x4000, 0x5000].map((base) => ({ base, length: 16 })), { base: 0x20_0000, length: 8 }],
  early: ['paging', 'pae', 'lme', 'lma', 'cr3', 'pml4', 'pdpt', 'large', 'second'],
  checks: {
    paging: (seen) => has(register(seen, 'cr0'), 0, 31) || { cr0: hex(register(seen, 'cr0')) },
    pae: (seen) => has(register(seen, 'cr4'), 5) || { cr4: hex(register(seen, 'cr4')) },
    lme: (seen) => has(register(seen, 'efer'), 8) || { efer: hex(register(seen, 'efer')) },
    lma: (seen) => has(register(seen, 'efer'), 10) || { efer: hex(register(seen, 'efer')) },
    cr3: (seen) => register(seen, 'cr3') === 0x3000n || { cr3: hex(register(seen, 'cr3')) },
    pml4: (seen) => leads(seen, 0, 0x4000n),
    pdpt: (seen) => leads(seen, 1, 0x5000n),
    large: (seen) => {
      const found = entry(seen, 2);
      return found === undefined || (found & 0x83n) === 0x83n || { entry: hex(found) };
    },
    second: (seen) => {
      const found = entry(seen, 2, 1);
      return found === undefined || (found & ~0x1f_ffffn) === 0x20_0000n || { entry: hex(found) };
    },
    fault: (seen) => faulted(seen) === undefined || { exit: faulted(seen)!.exit },
    written: ({ memory }) => memory[3] === 'efcdab8967452301' || { bytes: memory[3] ?? '-' },
  },
};
