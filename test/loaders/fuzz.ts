/**
 * Fuzzes the loaders with mutated images. Whatever the bytes, the answer must be a LoadError or a sound plan, soon, without
 * allocating beyond the file's size plus a constant.
 */
import { detect, FORMATS, type LoadOptions, load, place } from '../../loaders/index.ts';
import { LoadError } from '../../src/errors.ts';
import { caseSeed } from '../campaigns/campaign.ts';
import { MIB, memoryMap } from './build.ts';
import { shapes } from './shapes.ts';

const MAX_MILLISECONDS = 100;
/** Bytes a plan may own beyond the file: information structures, strings, tables. */
const OWN_CONSTANT = 64 * 1024;
/** What unwrapping may add: the loaders' own bound. */
const unwrapBound = (length: number) => 64 * MIB + 256 * length;
const MEMORY_MIB = 64;
const MAP = memoryMap(MEMORY_MIB);
const RANGES = [{ base: 0, size: MEMORY_MIB * MIB }];

/** A small seeded generator (mulberry32): the same numbers on every host. */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof generator>;

const INTERESTING = [
  0n,
  1n,
  2n,
  3n,
  7n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x1000n,
  0x10_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff0n,
  0xffff_ffffn,
  1n << 32n,
  1n << 52n,
  (1n << 53n) + 1n,
  1n << 63n,
  (1n << 64n) - 1n,
  (1n << 64n) - 4096n,
];

/** Each takes a private copy and may change it in place or return another. */
const MUTATIONS: readonly ((bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array)[] = [
  (bytes, random) => {
    bytes[random(bytes.length)]! ^= 1 << random(8);
    return bytes;
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = random(256);
    return bytes;
  },
  // A telling value in a field of the headers or anywhere, aligned as fields are.
  (bytes, random) => {
    const width = [1, 2, 4, 8][random(4)]!;
    const reach = random(2) === 0 ? Math.min(bytes.length, 512) : bytes.length;
    const at = Math.floor(random(reach) / width) * width;
    if (at + width > bytes.length) return bytes;
    let value = INTERESTING[random(INTERESTING.length)]!;
    for (let i = 0; i < width; i++, value >>= 8n) bytes[at + i] = Number(value & 0xffn);
    return bytes;
  },
  (bytes, random) => bytes.slice(0, random(bytes.length + 1)),
  (bytes, random) => {
    const longer = new Uint8Array(bytes.length + random(4096));
    longer.set(bytes);
    return longer;
  },
  // A run copied from elsewhere in this or another image.
  (bytes, random, other) => {
    const from = random(2) === 0 ? bytes : other;
    const length = random(Math.min(64, from.length, bytes.length) + 1);
    const source = random(from.length - length + 1);
    bytes.set(from.slice(source, source + length), random(bytes.length - length + 1));
    return bytes;
  },
];

/** What became of one image. */
export interface Judged {
  readonly verdict: 'plan' | 'refused' | 'problem';
  readonly shape: string;
  /** What is wrong, and the image in base64. */
  readonly problem?: string;
}

const MODULES = [{ name: 'm', bytes: new Uint8Array(100) }];

function optionsFor(random: Random): LoadOptions {
  const sometimes = <T>(one: number, make: () => T): T | undefined => (random(one) === 0 ? make() : undefined);
  const options = {
    format: sometimes(4, () => FORMATS[random(FORMATS.length)]!),
    place: sometimes(4, () => (['paddr', 'vaddr'] as const)[random(2)]!),
    mode: sometimes(8, () => (['real', 'protected', 'long'] as const)[random(3)]!),
    load: sometimes(8, () => random(2 ** 24)),
    modules: sometimes(3, () => MODULES),
    cmdline: sometimes(3, () => 'console=ttyS0'),
  };
  return { memoryMap: MAP, ...Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) };
}

/** Loads and places one image; 'plan', 'refused', or what is wrong. */
function judge(bytes: Uint8Array, options: LoadOptions): { verdict: 'plan' | 'refused' } | { problem: string } {
  try {
    const wrapped = detect(bytes).kind === 'wrapped' && options.format !== 'flat';
    const image = load(bytes, options);
    const limit = bytes.length + OWN_CONSTANT + (wrapped ? unwrapBound(bytes.length) : 0);
    let own = 0;
    for (const s of image.segments) {
      const shared = s.bytes.buffer === bytes.buffer || s.bytes.buffer === MODULES[0]!.bytes.buffer;
      if (!shared) own += s.bytes.length;
      if (shared && s.bytes.length > Math.max(bytes.length, 100))
        return { problem: `${s.name}: view larger than the file` };
    }
    if (own > limit) return { problem: `plan owns ${own} bytes for a file of ${bytes.length}` };
    if (image.symbols.length * 16 > limit)
      return { problem: `${image.symbols.length} symbols from ${bytes.length} bytes` };
    const end = MEMORY_MIB * MIB;
    place(image, {
      ranges: RANGES,
      write: (gpa, content) => inside(gpa, content.length, end),
      zero: (gpa, length) => inside(gpa, length, end),
    });
    return { verdict: 'plan' };
  } catch (error) {
    if (error instanceof LoadError && error.message.length < 2000) return { verdict: 'refused' };
    return { problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

function inside(gpa: number, length: number, end: number): void {
  if (!(gpa >= 0 && gpa + length <= end)) throw new Error(`write outside RAM: ${gpa}+${length}`);
}

/** A function that makes and judges image `number` of a seed: the same one each time. */
export function imageFuzzer(seed: number): (number: number) => Judged {
  const seeds = shapes();
  return (number) => {
    const random = generator(caseSeed(seed, number));
    const [shape, original] = seeds[random(seeds.length)]!;
    let bytes = new Uint8Array(original);
    for (let n = 1 + random(6); n > 0 && bytes.length > 0; n--) {
      const other = seeds[random(seeds.length)]![1];
      bytes = new Uint8Array(MUTATIONS[random(MUTATIONS.length)]!(bytes, random, other));
    }
    const options = optionsFor(random);
    const before = bytes.slice();
    const { result, milliseconds } = timed(() => judge(bytes, options));
    const problem = problemOf(result, Buffer.compare(before, bytes) !== 0, milliseconds);
    if (problem === undefined && 'verdict' in result) return { verdict: result.verdict, shape };
    return { verdict: 'problem', shape, problem: `${problem}\n  ${Buffer.from(before).toString('base64')}` };
  };
}

function problemOf(result: ReturnType<typeof judge>, changed: boolean, milliseconds: number): string | undefined {
  if ('problem' in result) return result.problem;
  if (changed) return 'the file was written to';
  return milliseconds > MAX_MILLISECONDS ? `took ${milliseconds.toFixed(0)} ms of processor time` : undefined;
}

/** Processor time of the fastest of up to three runs: a collection of garbage may fall into one. */
function timed<T>(action: () => T): { result: T; milliseconds: number } {
  let milliseconds = Number.POSITIVE_INFINITY;
  let result: T;
  let runs = 0;
  do {
    const start = process.cpuUsage();
    result = action();
    const { user, system } = process.cpuUsage(start);
    milliseconds = Math.min(milliseconds, (user + system) / 1000);
  } while (milliseconds > MAX_MILLISECONDS && ++runs < 3);
  return { result, milliseconds };
}
