/** Undoes a constructor that throws half-way. Node 20 has no DisposableStack. */

/**
 * Collects what has been made. Disposed in reverse order at the end of the block, unless {@link keep} was called:
 *
 *     using made = new Cleanup();
 *     this.#a = made.use(new A());
 *     this.#b = made.use(new B()); // if this throws, A is disposed
 *     made.keep();
 */
export class Cleanup implements Disposable {
  #made: Disposable[] = [];

  /** Takes `made` into the collection, and returns it. */
  use<T extends Disposable>(made: T): T {
    this.#made.push(made);
    return made;
  }

  /** As {@link use}, for what is undone by a call. */
  defer(undo: () => void): void {
    this.#made.push({ [Symbol.dispose]: undo });
  }

  /** All is made: nothing is to be undone. */
  keep(): void {
    this.#made = [];
  }

  /** What undoing throws is dropped: the error that led here counts, and the rest has to go, too. */
  [Symbol.dispose](): void {
    for (let made = this.#made.pop(); made; made = this.#made.pop()) {
      try {
        made[Symbol.dispose]();
      } catch {}
    }
  }
}
