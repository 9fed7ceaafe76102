/** Initial values for a guest's variables: written into the plan, before the guest ever runs. */
import { LoadError } from '../src/errors.ts';
import { changed, type GuestImage, type GuestSymbol, type Segment } from './image.ts';

/** Variables that can be set: those of 1, 2, 4 or 8 bytes. */
const WIDTHS: readonly number[] = [1, 2, 4, 8];

/**
 * The image with other initial values for the variables that `values` names by symbol. Little-endian, in the width of the
 * variable. Throws LoadError SYMBOL for a name that is no variable of the image, or a value that it cannot hold.
 */
export function withValues(image: GuestImage, values: Readonly<Record<string, number | bigint>>): GuestImage {
  const names = Object.keys(values);
  if (names.length === 0) return image;
  const symbols = new Map(image.symbols.map((symbol) => [symbol.name, symbol]));
  const writes = names.map((name): Write => {
    const symbol = symbols.get(name);
    if (!symbol) throw refused(name, `there is no such symbol; ${namesLike(name, symbols)}`);
    if (!WIDTHS.includes(symbol.size))
      throw refused(name, `it has ${symbol.size} bytes; only variables of 1, 2, 4 or 8 bytes can be set`);
    return {
      name,
      gpa: image.physical?.(symbol.address) ?? Number(symbol.address),
      bytes: encoded(symbol, values[name]!),
    };
  });
  const segments = image.segments.map((segment) => patched(segment, writes));
  const lost = writes.find(({ gpa, bytes }) => !image.segments.some((segment) => holds(segment, gpa, bytes.length)));
  if (lost) throw refused(lost.name, `its address 0x${lost.gpa.toString(16)} is in no segment of the image`);
  return changed(image, { segments });
}

interface Write {
  readonly name: string;
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

function encoded({ name, size }: GuestSymbol, value: number | bigint): Uint8Array {
  const bits = 8 * size;
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (whole === undefined || whole >= 1n << BigInt(bits) || whole < -(1n << BigInt(bits - 1)))
    throw refused(name, `${value} does not fit its ${bits} bits`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(bits, whole), true);
  return bytes.subarray(0, size);
}

const holds = ({ gpa, memSize }: Segment, at: number, length: number) => at >= gpa && at + length <= gpa + memSize;

/** A segment that holds variables to set is copied, up to the last of them where that lies in its zeroed part. */
function patched(segment: Segment, writes: readonly Write[]): Segment {
  const own = writes.filter(({ gpa, bytes }) => holds(segment, gpa, bytes.length));
  if (own.length === 0) return segment;
  const end = Math.max(segment.bytes.length, ...own.map(({ gpa, bytes }) => gpa + bytes.length - segment.gpa));
  const content = new Uint8Array(end);
  content.set(segment.bytes);
  for (const { gpa, bytes } of own) content.set(bytes, gpa - segment.gpa);
  return { ...segment, bytes: content };
}

function namesLike(name: string, symbols: ReadonlyMap<string, GuestSymbol>): string {
  const stem = name.toLowerCase().slice(0, 5);
  const like = [...symbols.values()].filter((s) => WIDTHS.includes(s.size) && s.name.toLowerCase().includes(stem));
  if (symbols.size === 0) return 'the image has no symbols: build it with them, or do not strip it';
  return like.length > 0
    ? `is it ${like
        .slice(0, 8)
        .map((s) => s.name)
        .join(', ')}?`
    : 'vmlapse inspect counts them; nm lists them';
}

const refused = (name: string, why: string) => new LoadError('SYMBOL', `cannot set ${name}: ${why}`, { name });
