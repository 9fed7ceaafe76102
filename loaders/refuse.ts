/**
 * How an image is refused: every refusal names the field, where it is in the file, what was found, what was expected,
 * and what to do about it.
 *
 * Codes: EMPTY, TRUNCATED, OTHER_FORMAT, UNKNOWN_FORMAT, OPTION, UNWRAP, ELF_HEADER, ELF_MACHINE, ELF_TYPE, ELF_PROGRAM,
 * ELF_SEGMENT, ELF_ENTRY, ELF_DYNAMIC, ELF_RELOCATION, MULTIBOOT1, MULTIBOOT2, PVH, LINUX, BOOT_SECTOR, DISK, ROM, FLAT,
 * NO_ROOM, OUTSIDE_RAM, OVERLAP, SYMBOL.
 */
import { LoadError } from '../src/errors.ts';
import { hex } from './bytes.ts';

/** The particulars of a refusal. */
interface Refusal {
  /** The thing that is wrong: "ELF header: e_machine". */
  readonly field: string;
  /** Its byte offset in the file (after unwrapping), where it has one. */
  readonly at?: number;
  readonly found: string | number | bigint;
  readonly expected: string | number | bigint;
  /** One sentence for people: what to do. */
  readonly cure: string;
}

const show = (value: string | number | bigint): string =>
  typeof value === 'bigint' || Number.isInteger(value) ? hex(value as bigint | number) : String(value);

/** Builds the LoadError of a refusal; the caller throws it. */
export function refusal(code: string, { field, at, found, expected, cure }: Refusal): LoadError {
  const place = at === undefined ? '' : ` at file offset ${hex(at)}`;
  return new LoadError(code, `${field}${place} is ${show(found)}, expected ${show(expected)}; ${cure}`, {
    field,
    ...(at === undefined ? {} : { offset: at }),
    found,
    expected,
    cure,
  });
}
