/** Values that many moments share, each kept once. */
export class Pool<T> {
  readonly values: T[] = [];
  readonly #indexes = new Map<string, number>();
  /** Characters of all values as JSON. */
  size = 0;

  /** The index of a value. Two that are the same as JSON are one. */
  add(value: T): number {
    const key = JSON.stringify(value);
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#indexes.set(key, this.values.length);
    this.size += key.length;
    return this.values.push(value) - 1;
  }
}

/** Numbers as runs of first and count. */
export function runsOf(numbers: Iterable<number>): number[] {
  const runs: number[] = [];
  for (const number of numbers) {
    if (runs.length > 0 && runs.at(-2)! + runs.at(-1)! === number) runs[runs.length - 1]!++;
    else runs.push(number, 1);
  }
  return runs;
}
