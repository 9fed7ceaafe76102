/** Bytes as text: the stretches that are not zero, each with its address. */

/** Address of the first byte, and the bytes as hex digits. */
export type Stretch = readonly [at: number, digits: string];
export type Stretches = readonly Stretch[];

/** So many zeros in a row end a stretch. */
const GAP = 8;

/** The stretches of `bytes`, whose first has the address `base`. */
export function stretchesOf(bytes: Uint8Array, base = 0): Stretch[] {
  const found: Stretch[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    let end = at + 1;
    for (let i = end; i < bytes.length && i < end + GAP; i++) if (bytes[i] !== 0) end = i + 1;
    found.push([base + at, Buffer.from(bytes.subarray(at, end)).toString('hex')]);
    at = end;
  }
  return found;
}

/** Makes `bytes`, whose first has the address `base`, what the stretches say; those elsewhere are left out. */
export function spread(stretches: Stretches, bytes: Uint8Array, base = 0): void {
  bytes.fill(0);
  for (const [at, digits] of stretches) {
    const part = Buffer.from(digits, 'hex');
    if (at >= base && at + part.length <= base + bytes.length) bytes.set(part, at - base);
  }
}

/** The byte at an address. */
export function byteAt(stretches: Stretches, address: number): number {
  const found = stretches.find(([at, digits]) => address >= at && address < at + digits.length / 2);
  return found ? Number.parseInt(found[1].slice((address - found[0]) * 2, (address - found[0]) * 2 + 2), 16) : 0;
}

/** The bytes that are not zero, each with its address, ascending. */
function* bytesOf(stretches: Stretches): Generator<readonly [at: number, byte: number]> {
  for (const [from, digits] of stretches)
    for (const [i, byte] of Buffer.from(digits, 'hex').entries()) if (byte !== 0) yield [from + i, byte];
}

/** The first address at which two differ; undefined: they are the same. Both ascend. */
export function firstDifference(a: Stretches, b: Stretches): number | undefined {
  const [ours, theirs] = [bytesOf(a), bytesOf(b)];
  for (;;) {
    const [[x, value], [y, other]] = [ours.next().value ?? [Infinity, 0], theirs.next().value ?? [Infinity, 0]];
    if (x !== y || value !== other) return Math.min(x, y);
    if (x === Infinity) return undefined;
  }
}
