/** A growing list of numbers in a typed array: 8 bytes each, whatever their count. */
export class NumberList {
  #values = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  /** The value at an index below `length`. */
  at(index: number): number {
    return this.#values[index]!;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  /** The values, without a copy: valid until the next push. */
  values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}
