/** A piece of memory as a user names it: a symbol or an address, and how many bytes. */
import type { MemoryRange } from '../../../debug/blame/writes.ts';
import type { SymbolTable } from '../../../loaders/symbols.ts';
import { UsageError } from '../../../src/errors.ts';
import { PAGE_SIZE } from '../../../src/memory/bitmap.ts';

/** Linear addresses. */
export interface Place {
  readonly address: bigint;
  readonly length: number;
}

const PLACE = /^(.+?)(?:\+(0x[0-9a-f]+|\d+))?(?::(0x[0-9a-f]+|\d+))?$/i;
const NUMBER = /^(0x[0-9a-f]+|\d+)$/i;
/** Where neither the symbol nor the user says how long it is. */
const USUAL_LENGTH = 8;
const MOST_LENGTH = 2 ** 20;

/** Reads SYMBOL|ADDRESS[+OFFSET][:LENGTH]. Throws UsageError. */
export function parsePlace(text: string, symbols: SymbolTable): Place {
  const [, name = '', offset = '0', length] = PLACE.exec(text) ?? [];
  const symbol = NUMBER.test(name) ? undefined : symbols.byName(name);
  if (!symbol && !NUMBER.test(name))
    throw new UsageError(
      symbols.size === 0
        ? `${name} cannot be looked up: the image of this guest is not there, or has no symbols; give --symbols FILE or an address`
        : `there is no symbol ${name} in the guest`,
    );
  const rest = symbol ? symbol.size - Number(offset) : 0;
  const bytes = length === undefined ? (rest > 0 ? rest : USUAL_LENGTH) : Number(length);
  if (bytes < 1 || bytes > MOST_LENGTH)
    throw new UsageError(`${bytes} bytes are no piece of memory to blame for: give 1 to ${MOST_LENGTH}`);
  return { address: (symbol?.address ?? BigInt(name)) + BigInt(offset), length: bytes };
}

/** The guest-physical pieces behind linear addresses. Throws UsageError where nothing is mapped. */
export function physical({ address, length }: Place, translate: (linear: bigint) => number | undefined): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (let done = 0; done < length; ) {
    const linear = address + BigInt(done);
    const size = Math.min(length - done, PAGE_SIZE - Number(linear % BigInt(PAGE_SIZE)));
    const gpa = translate(linear);
    if (gpa === undefined) throw new UsageError(`nothing is mapped at 0x${linear.toString(16)} here`);
    ranges.push({ gpa, length: size });
    done += size;
  }
  return ranges;
}
