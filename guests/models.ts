/**
 * The deterministic guests once more, in TypeScript: what they must print and leave in memory. Naive on purpose; used
 * to check the guests, and as an oracle for what a checkpoint must hold.
 */

const u64 = (value: bigint) => BigInt.asUintN(64, value);

/** xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003), as the writers use it. */
function* xorshift(seed: bigint): Generator<bigint, never> {
  for (let state = seed; ; ) {
    state ^= u64(state << 13n);
    state ^= state >> 7n;
    state ^= u64(state << 17n);
    yield state;
  }
}

/** The running hash of kernel/compute.c after each round, over 8192 words, from seed 1. */
export function computeHashes(rounds: number): string[] {
  const words = new BigUint64Array(8192);
  const hashes: string[] = [];
  let hash = 1n;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < words.length; i++) {
      hash ^= u64(words[i]! + BigInt(i));
      hash = u64(hash * 0x9e3779b97f4a7c15n);
      hash ^= hash >> 29n;
      const other = Number(hash % 8192n);
      words[other] = u64(words[other]! + hash);
      words[i] = hash;
    }
    hashes.push(hash.toString(16).padStart(16, '0'));
  }
  return hashes;
}

/** Parameters of writers/memory-writer.c, by their names without `param_`. */
export interface WriterParameters {
  readonly span: number;
  readonly pages: number;
  readonly stride: number;
  readonly rounds: number;
  readonly seed: bigint;
}

/** What writers/memory-writer.c has done after its rounds. */
export interface WriterResult {
  /** Page number within the area -> the first word it was last written with. Pages not in it were never written. */
  readonly pages: ReadonlyMap<number, bigint>;
  /** As the guest prints it. */
  readonly checksum: string;
}

export function memoryWriterResult({ span, pages, stride, rounds, seed }: WriterParameters): WriterResult {
  const written = new Map<number, bigint>();
  const random = xorshift(seed);
  let checksum = 0n;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < pages; i++) {
      const value = random.next().value;
      const page = stride === 0 ? Number((value >> 20n) % BigInt(span)) : (i * stride) % span;
      written.set(page, value);
      checksum = u64(checksum + (value ^ BigInt(page)));
    }
  }
  return { pages: written, checksum: checksum.toString(16).padStart(16, '0') };
}

/** Page number -> iteration of its last stamp, after `iterations` of writers/stamp.c; and the final random state. */
export function stampResult(
  span: number,
  pages: number,
  iterations: number,
): { stamps: ReadonlyMap<number, number>; randomState: string } {
  const stamps = new Map<number, number>();
  const random = xorshift(1n);
  let state = 1n;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    for (let i = 0; i < pages; i++) {
      state = random.next().value;
      stamps.set(Number((state >> 20n) % BigInt(span)), iteration);
    }
  }
  return { stamps, randomState: state.toString(16).padStart(16, '0') };
}
