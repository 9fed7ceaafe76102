/**
 * Finds pages by their CRC-32: a hash table in typed arrays, 16 bytes a slot. What it finds must still be compared.
 */
export class PageFinder {
  readonly #alive: (owner: number) => boolean;
  #crc = new Uint32Array(1024);
  #owner = new Float64Array(1024);
  #page = new Uint32Array(1024);
  #used = 0;

  /** Pages of owners that are not `alive` are forgotten when room is needed. */
  constructor(alive: (owner: number) => boolean) {
    this.#alive = alive;
  }

  /** The latest page put under a CRC: who has it (never 0) and its number there; undefined where there is none. */
  find(crc: number): { owner: number; page: number } | undefined {
    const i = this.#slot(crc);
    return this.#owner[i] === 0 ? undefined : { owner: this.#owner[i]!, page: this.#page[i]! };
  }

  /** Puts a page under its CRC, in place of any other. */
  put(crc: number, owner: number, page: number): void {
    if (this.#used * 2 >= this.#crc.length) this.#makeRoom();
    const i = this.#slot(crc);
    if (this.#owner[i] === 0) this.#used++;
    this.#crc[i] = crc;
    this.#owner[i] = owner;
    this.#page[i] = page;
  }

  #slot(crc: number): number {
    const mask = this.#crc.length - 1;
    let i = Math.imul(crc, 0x9e37_79b1) & mask;
    while (this.#owner[i] !== 0 && this.#crc[i] !== crc) i = (i + 1) & mask;
    return i;
  }

  #makeRoom(): void {
    const [crcs, owners, pages] = [this.#crc, this.#owner, this.#page];
    const kept = owners.reduce((count, owner) => count + (owner !== 0 && this.#alive(owner) ? 1 : 0), 0);
    const size = kept * 4 > owners.length ? owners.length * 2 : owners.length;
    this.#crc = new Uint32Array(size);
    this.#owner = new Float64Array(size);
    this.#page = new Uint32Array(size);
    this.#used = 0;
    for (const [i, owner] of owners.entries())
      if (owner !== 0 && this.#alive(owner)) this.put(crcs[i]!, owner, pages[i]!);
  }
}
