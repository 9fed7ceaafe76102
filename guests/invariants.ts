/**
 * What must hold of the writers' memory at every instant between two instructions of the guest, and so in every
 * checkpoint. Each function returns what is wrong, in words; nothing wrong is an empty list.
 */
import { checkArguments } from '../src/arguments.ts';
import { FUNCTION, OBJECT } from '../src/options.ts';
import { LIMITS } from './contract.ts';

/** Reads guest-physical memory. */
export type ReadMemory = (gpa: number, length: number) => Uint8Array;

const PAGE = LIMITS.PAGE_SIZE;
const WORDS = PAGE / 8;

const u64At = (read: ReadMemory, gpa: number): bigint => {
  const bytes = read(gpa, 8);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
};

/**
 * Edge guest: bytes are equal but for one step down, and the step is where the counter says, or one page further
 * (the counter is written after the page). `steps` is edge_steps, `span` the number of pages.
 */
export function edgeProblems(read: ReadMemory, base: number, span: number, steps: number): string[] {
  checkArguments('edgeProblems', [read, FUNCTION]);
  const bytes = Array.from({ length: span }, (_, page) => read(base + page * PAGE, 1)[0]!);
  const problem = (done: number) => {
    for (let page = 0; page < span; page++) {
      const expected = Math.ceil((done - page) / span) & 0xff;
      if (bytes[page] !== expected)
        return `after ${done} additions page ${page} must hold ${expected}, it holds ${bytes[page]}`;
    }
    return undefined;
  };
  const first = problem(steps);
  return first === undefined || problem(steps + 1) === undefined ? [] : [first];
}

/** What an incremental checkpoint must contain of the stamp guest's pages. Page numbers count from the area's base. */
export interface StampCheck {
  readonly base: number;
  readonly span: number;
  /** stamp_iteration at the previous checkpoint and at this one. */
  readonly since: number;
  readonly now: number;
  /** Whether this checkpoint took the page as dirty. */
  readonly isDirty: (page: number) => boolean;
}

/**
 * Stamp guest: `missed` are pages stamped since the last checkpoint that are not dirty (an error everywhere), `extra`
 * are dirty pages that were not stamped (hosts may log more than was written), `impossible` are stamps from the
 * future. A page stamped in the very iteration in which the last checkpoint fell may be either.
 */
export function stampProblems(
  read: ReadMemory,
  check: StampCheck,
): { missed: number[]; extra: number[]; impossible: number[] } {
  checkArguments('stampProblems', [read, FUNCTION], [check, OBJECT]);
  const { base, span, since, now, isDirty } = check;
  const missed: number[] = [];
  const extra: number[] = [];
  const impossible: number[] = [];
  for (let page = 0; page < span; page++) {
    const stamp = Number(u64At(read, base + page * PAGE));
    if (stamp > now) impossible.push(page);
    else if (stamp > since && !isDirty(page)) missed.push(page);
    else if (stamp < since && isDirty(page)) extra.push(page);
  }
  return { missed, extra, impossible };
}

/** Sum of all words but the last, modulo 2^64. Halves are summed as doubles: 511 * 2^32 is exact. */
function sumOfWords(page: DataView): bigint {
  let low = 0;
  let high = 0;
  for (let word = 0; word < WORDS - 1; word++) {
    low += page.getUint32(word * 8, true);
    high += page.getUint32(word * 8 + 4, true);
  }
  return BigInt.asUintN(64, BigInt(low) + (BigInt(high) << 32n));
}

/**
 * Checksum writers: of each writer's pages, all but the one being written are whole; those before it belong to the
 * present round, those after it to the last. `positions` is checksum_position, one per processor.
 */
export function checksumProblems(
  read: ReadMemory,
  base: number,
  pages: number,
  positions: readonly number[],
): string[] {
  checkArguments('checksumProblems', [read, FUNCTION]);
  const problems: string[] = [];
  positions.forEach((position, cpu) => {
    const round = Math.floor(position / pages) + 1;
    const current = position % pages;
    for (let page = 0; page < pages; page++) {
      if (page === current) continue;
      const bytes = read(base + (cpu * pages + page) * PAGE, PAGE);
      const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE);
      const where = `writer ${cpu}, page ${page} (writing page ${current} of round ${round})`;
      const expected = page < current ? round : round - 1;
      const found = Number(view.getBigUint64(0, true));
      if (found !== expected) problems.push(`${where}: is of round ${found}, not ${expected}`);
      else if (expected > 0 && view.getBigUint64(8, true) !== BigInt(cpu))
        problems.push(`${where}: was written by ${view.getBigUint64(8, true)}`);
      else if (expected > 0 && sumOfWords(view) !== view.getBigUint64(PAGE - 8, true))
        problems.push(`${where}: the sum is wrong`);
    }
  });
  return problems;
}
