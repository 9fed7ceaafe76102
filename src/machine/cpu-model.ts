/** A choice of CPU features, from what this host's KVM offers. */
import { CPU_FEATURES, FEATURE_WORDS } from '../abi/cpu-features.ts';
import type { CpuidBit } from '../abi/cpuid.ts';
import { checkArguments } from '../arguments.ts';
import { UsageError } from '../errors.ts';
import { type CpuidLeaf, hasFeature } from '../kvm/cpuid.ts';
import { Kvm } from '../kvm/kvm.ts';
import { TEXT } from '../options.ts';
import { hostCpuid } from './cpuid.ts';

/** What every 64-bit kernel may expect: x86-64-v1 of the psABI, and what the architecture of a PC brings. */
const MINIMAL: readonly string[] =
  'fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 syscall nx lm'.split(
    ' ',
  );

/** Bits that follow from the machine: that it is one, and how many vCPUs it has. */
const FIXED: readonly string[] = ['hypervisor', 'ht', 'cmp_legacy'];

/** AMD processors repeat these bits of 1:EDX in 0x80000001:EDX. */
const REPEATED = 0x0183_f3ff;
const FIRST_FEATURES = 0x1;
const AMD_FEATURES = 0x8000_0001;

const placesOf = (bit: CpuidBit): CpuidBit[] => {
  const repeats = bit.leaf === FIRST_FEATURES && bit.register === 'edx' && (REPEATED >>> bit.bit) & 1;
  return repeats ? [bit, { ...bit, leaf: AMD_FEATURES }] : [bit];
};

/** The leaves with features switched off, or on in those places where `offered` has them. */
function changed(
  leaves: readonly CpuidLeaf[],
  names: readonly string[],
  on: boolean,
  offered: readonly CpuidLeaf[],
): CpuidLeaf[] {
  const places = names.flatMap((name) => placesOf(CPU_FEATURES.get(name)!));
  const bits = places.filter((place) => !on || hasFeature(offered, place));
  return leaves.map((leaf) => {
    const entry = { ...leaf };
    for (const { leaf: number, index, register, bit } of bits) {
      if (leaf.function !== number || leaf.index !== index) continue;
      entry[register] = (on ? entry[register] | (1 << bit) : entry[register] & ~(1 << bit)) >>> 0;
    }
    return entry;
  });
}

/** The leaves with every register of features empty but for those of {@link MINIMAL} that they have. */
function minimal(leaves: readonly CpuidLeaf[]): CpuidLeaf[] {
  const empty = leaves.map((leaf) => {
    const own = FEATURE_WORDS.filter(({ leaf: number, index }) => leaf.function === number && leaf.index === index);
    return Object.assign({ ...leaf }, ...own.map(({ register }) => ({ [register]: 0 }))) as CpuidLeaf;
  });
  return changed(empty, MINIMAL, true, leaves);
}

const BASES: Readonly<Record<string, (leaves: readonly CpuidLeaf[]) => readonly CpuidLeaf[]>> = {
  host: (leaves) => leaves,
  minimal,
};

/**
 * The leaves for a choice such as "-avx2", "minimal,+sse4_2" or "host": a base, then features by name. `offered` is what
 * KVM has. Throws UsageError for what is no feature, follows from the machine, or is not offered.
 */
export function chooseCpuid(offered: readonly CpuidLeaf[], choice: string): CpuidLeaf[] {
  const [first = '', ...rest] = choice.split(',');
  const base = Object.hasOwn(BASES, first) ? first : 'host';
  const changes = base === first ? rest : [first, ...rest];
  const odd = changes.find((change) => !/^[+-]./.test(change));
  if (odd !== undefined)
    throw new UsageError(`"${odd}" is no choice of CPU features: give host or minimal first, then +NAME or -NAME`);
  const named = changes.map((change) => ({ on: change.startsWith('+'), name: change.slice(1) }));
  const unknown = named.filter(({ name }) => !CPU_FEATURES.has(name)).map(({ name }) => name);
  if (unknown.length > 0)
    throw new UsageError(
      `no CPU feature is called ${unknown.join(', ')}: names are as in /proc/cpuinfo (vmlapse info --cpuid)`,
    );
  const fixed = named.filter(({ name }) => FIXED.includes(name)).map(({ name }) => name);
  if (fixed.length > 0) throw new UsageError(`${fixed.join(', ')} cannot be chosen: it follows from the machine`);
  const lacking = named.filter(({ on, name }) => on && !hasFeature(offered, CPU_FEATURES.get(name)!));
  if (lacking.length > 0)
    throw new UsageError(
      `this host's KVM has no ${lacking.map(({ name }) => name).join(', ')} for a guest (vmlapse info --cpuid lists what it has)`,
    );
  return named.reduce<CpuidLeaf[]>(
    (leaves, { on, name }) => changed(leaves, [name], on, offered),
    [...BASES[base]!(offered)],
  );
}

/**
 * The leaves for a choice such as "-avx2", "minimal,+sse4_2" or "host", as `run --cpuid` takes it: a base, then features by
 * the names in /proc/cpuinfo. Throws UsageError for what is no feature, follows from the machine, or is not in this host's
 * KVM, and KvmError.
 */
export function cpuidOfChoice(choice: string): CpuidLeaf[] {
  checkArguments('cpuidOfChoice', [choice, TEXT]);
  using kvm = Kvm.open();
  return chooseCpuid(hostCpuid(kvm), choice);
}

/** The features by name that the leaves have, by register; a bit without a name as "bit N". */
export function namedFeatures(leaves: readonly CpuidLeaf[]) {
  return FEATURE_WORDS.map(({ leaf, index, register }) => {
    const value = leaves.find((entry) => entry.function === leaf && entry.index === index)?.[register] ?? 0;
    const names = new Map(
      [...CPU_FEATURES]
        .filter(([, at]) => at.leaf === leaf && at.index === index && at.register === register)
        .map(([name, { bit }]) => [bit, name]),
    );
    const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (value >>> bit) & 1);
    return { leaf, index, register, value, features: bits.map((bit) => names.get(bit) ?? `bit ${bit}`) };
  });
}
