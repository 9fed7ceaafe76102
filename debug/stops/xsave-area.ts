/**
 * The XSAVE area in the standard format (SDM volume 1, 13.4), as far as a debugger shows it: which components are there, and
 * the tag word, of which the area has one bit for each register.
 */
import { viewOf } from '../../src/abi/numbers.ts';

/** Components of XSTATE_BV. */
export const XSAVE = { X87: 1n, SSE: 2n, AVX: 4n } as const;

const HEADER = 512;
const TAGS = 4;
const STATUS = 2;
const MXCSR = 24;
const REGISTERS = 32;
const REGISTER_BYTES = 16;

/** Tags of the full word (SDM volume 1, 8.1.7). */
const TAG = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;

/** Whether the area has a component; 0n: what is always there. Without it its registers have their initial values. */
export function xsaveHas(area: Uint8Array, component: bigint): boolean {
  if (area.length < HEADER + 8) return false;
  return component === 0n || (viewOf(area).getBigUint64(HEADER, true) & component) !== 0n;
}

/** Initial values that are not zero, and which bytes of the area are a component's own. */
const INITIAL_MXCSR = 0x1f80;
const X87_RANGES = [
  [0, 24],
  [REGISTERS, 160],
] as const;
const INITIAL_FCW = 0x37f;
const CLEARED: Readonly<Record<string, readonly (readonly [from: number, to: number])[]>> = {
  [String(XSAVE.X87)]: X87_RANGES,
  [String(XSAVE.SSE)]: [[160, 416]],
  [String(XSAVE.AVX)]: [[576, 832]],
};

/** Makes a component present, with its initial values where it was not. */
export function xsaveTouch(area: Uint8Array, component: bigint): void {
  if (component === 0n || xsaveHas(area, component)) return;
  for (const [from, to] of CLEARED[String(component)] ?? []) area.fill(0, from, Math.min(to, area.length));
  const view = viewOf(area);
  if (component === XSAVE.X87) view.setUint16(0, INITIAL_FCW, true);
  if (!xsaveHas(area, XSAVE.SSE) && !xsaveHas(area, XSAVE.AVX)) view.setUint32(MXCSR, INITIAL_MXCSR, true);
  view.setBigUint64(HEADER, view.getBigUint64(HEADER, true) | component, true);
}

/** The full tag word: two bits for each physical register, found from what is in it. */
export function readTagWord(area: Uint8Array): number {
  if (!xsaveHas(area, XSAVE.X87)) return 0xffff;
  const view = viewOf(area);
  const inUse = view.getUint8(TAGS);
  const top = (view.getUint16(STATUS, true) >> 11) & 7;
  let tags = 0;
  for (let physical = 0; physical < 8; physical++) {
    const offset = REGISTERS + ((physical - top) & 7) * REGISTER_BYTES;
    const tag =
      inUse & (1 << physical) ? tagOf(view.getBigUint64(offset, true), view.getUint16(offset + 8, true)) : TAG.EMPTY;
    tags |= tag << (2 * physical);
  }
  return tags;
}

const INTEGER_BIT = 1n << 63n;

function tagOf(significand: bigint, signAndExponent: number): number {
  const exponent = signAndExponent & 0x7fff;
  if (exponent === 0) return significand === 0n ? TAG.ZERO : TAG.SPECIAL;
  return exponent === 0x7fff || (significand & INTEGER_BIT) === 0n ? TAG.SPECIAL : TAG.VALID;
}

/** Sets which registers are in use; the other tags follow from what is in the registers. */
export function writeTagWord(area: Uint8Array, tags: number): void {
  let inUse = 0;
  for (let physical = 0; physical < 8; physical++)
    if (((tags >> (2 * physical)) & 3) !== TAG.EMPTY) inUse |= 1 << physical;
  viewOf(area).setUint8(TAGS, inUse);
}
