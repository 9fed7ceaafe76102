/**
 * A writer of ACPI's byte code, AML (ACPI specification 6.5, chapter 20): each function returns the bytes of one term. Names
 * have four characters; a path from the root begins with a backslash.
 */
import { ascii, type Bytes, uint } from './bytes.ts';

const OP = {
  ZERO: 0x00,
  ONE: 0x01,
  NAME: 0x08,
  BYTE: 0x0a,
  WORD: 0x0b,
  DWORD: 0x0c,
  STRING: 0x0d,
  SCOPE: 0x10,
  BUFFER: 0x11,
  PACKAGE: 0x12,
  METHOD: 0x14,
  ARG0: 0x68,
  EXTENDED: 0x5b,
  DEVICE: 0x82,
  NOTIFY: 0x86,
  EQUAL: 0x93,
  IF: 0xa0,
} as const;

const NAME_LENGTH = 4;
const ROOT = '\\';

/** A name of up to four characters, filled with underscores; a leading backslash is the root. */
export function nameString(name: string): Bytes {
  const root = name.startsWith(ROOT) ? [ROOT.charCodeAt(0)] : [];
  const segment = name.slice(root.length);
  return [...root, ...ascii(segment.padEnd(NAME_LENGTH, '_'), NAME_LENGTH)];
}

/** An integer of up to 32 bits, as short as it can be. */
export function integer(value: number): Bytes {
  if (value === 0) return [OP.ZERO];
  if (value === 1) return [OP.ONE];
  if (value < 2 ** 8) return [OP.BYTE, value];
  return value < 2 ** 16 ? [OP.WORD, ...uint(value, 2)] : [OP.DWORD, ...uint(value, 4)];
}

/** Text, which must not contain a zero byte. */
export const string = (text: string): Bytes => [OP.STRING, ...Buffer.from(text, 'latin1'), 0];

/** Most that fits into the first byte, and into each form with one to three further bytes (section 20.2.4). */
const SHORT_LENGTH = 0x3f;
const FURTHER_BYTES = [1, 2, 3];

/** `body` behind its length, which counts itself. Throws RangeError from 256 MiB on. */
export function counted(body: Bytes): Bytes {
  if (body.length + 1 <= SHORT_LENGTH) return [body.length + 1, ...body];
  const further = FURTHER_BYTES.find((bytes) => body.length + 1 + bytes < 2 ** (4 + 8 * bytes));
  if (further === undefined) throw new RangeError(`${body.length} bytes are no AML package`);
  const length = body.length + 1 + further;
  return [(further << 6) | (length & 0xf), ...uint(length >> 4, further), ...body];
}

/** A named object. */
export const name = (of: string, value: Bytes): Bytes => [OP.NAME, ...nameString(of), ...value];

/** Terms in the scope of a path. */
export const scope = (path: string, ...terms: Bytes[]): Bytes => [
  OP.SCOPE,
  ...counted([...nameString(path), ...terms.flat()]),
];

/** A device and what belongs to it. */
export const device = (called: string, ...terms: Bytes[]): Bytes => [
  OP.EXTENDED,
  OP.DEVICE,
  ...counted([...nameString(called), ...terms.flat()]),
];

/** A method of `args` arguments. Not serialized: it must create no names. */
export const method = (called: string, args: number, ...terms: Bytes[]): Bytes => [
  OP.METHOD,
  ...counted([...nameString(called), args, ...terms.flat()]),
];

/** A package: a list of values. */
export const list = (...values: Bytes[]): Bytes => [OP.PACKAGE, ...counted([values.length, ...values.flat()])];

/** A buffer with this content. */
export const buffer = (content: Bytes): Bytes => [OP.BUFFER, ...counted([...integer(content.length), ...content])];

/** Executes the terms if the method's first argument is `value`. */
export const ifArgumentIs = (value: number, ...terms: Bytes[]): Bytes => [
  OP.IF,
  ...counted([OP.EQUAL, OP.ARG0, ...integer(value), ...terms.flat()]),
];

/** Tells the operating system that something has happened to a device. */
export const notify = (path: string, value: number): Bytes => [OP.NOTIFY, ...nameString(path), ...integer(value)];

const LETTER_BASE = 0x40;

/** The number for a Plug and Play id such as PNP0501: three letters of five bits, four hexadecimal digits (section 19.3.4). */
export function eisaId(id: string): Bytes {
  const [a, b, c] = [...id.slice(0, 3)].map((letter) => letter.charCodeAt(0) - LETTER_BASE) as [number, number, number];
  const product = Number.parseInt(id.slice(3), 16);
  const letters = (a << 10) | (b << 5) | c;
  return integer((product & 0xff) * 2 ** 24 + (product >> 8) * 2 ** 16 + (letters & 0xff) * 2 ** 8 + (letters >> 8));
}
