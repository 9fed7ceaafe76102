/** The interrupt lines of a machine without irqchip: a bit each, in memory that all threads of the process share. */
export class InterruptLines {
  /** What another thread makes its own object over. */
  readonly buffer: SharedArrayBuffer;
  readonly #levels: Int32Array;

  /** All lines are low in fresh memory: 4 zeros. */
  constructor(buffer = new SharedArrayBuffer(4)) {
    this.buffer = buffer;
    this.#levels = new Int32Array(buffer);
  }

  /** Raises or lowers line `gsi`, 0 to 31. */
  set(gsi: number, level: 0 | 1): void {
    if (level === 0) Atomics.and(this.#levels, 0, ~(1 << gsi));
    else Atomics.or(this.#levels, 0, 1 << gsi);
  }

  /** The raised lines, one bit each. Part of the machine's state. */
  get levels(): number {
    return Atomics.load(this.#levels, 0) >>> 0;
  }

  set levels(levels: number) {
    Atomics.store(this.#levels, 0, levels | 0);
  }

  /** Whether a line is raised. */
  get waiting(): boolean {
    return Atomics.load(this.#levels, 0) !== 0;
  }

  /** The lowest raised line, lowered; undefined when none is. */
  take(): number | undefined {
    const levels = Atomics.load(this.#levels, 0);
    if (levels === 0) return undefined;
    const line = 31 - Math.clz32(levels & -levels);
    this.set(line, 0);
    return line;
  }
}
