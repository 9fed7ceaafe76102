/**
 * Which components of an XSAVE area are in use. XSTATE_BV does not say it the same way every time: a clear bit means that
 * the component is as after power-on, but whether one that is so has its bit clear is the processor's choice (SDM
 * volume 1, 13.6), and with some hosts a matter of what else they ran. The state of the guest is the same.
 */
import { CpuidLeaf } from '../../src/abi/cpuid.ts';
import { readCpuidBytes } from '../../src/kvm/cpuid.ts';

const FCW_INITIAL = 0x37f;
const MXCSR_INITIAL = 0x1f80;
const XSTATE_BV = 512;
/** Where components lie that have no place in the legacy region and the header. */
const EXTENDED = 576;

interface Component {
  /** Its bit in XSTATE_BV. */
  readonly bit: number;
  readonly initial: boolean;
}

function components(area: DataView, cpuid: Uint8Array): Component[] {
  const bytes = new Uint8Array(area.buffer, area.byteOffset, area.byteLength);
  const zero = (start: number, end: number) => bytes.subarray(start, end).every((byte) => byte === 0);
  const extended = readCpuidBytes(cpuid)
    .filter(({ function: leaf, index, ebx }) => leaf === CpuidLeaf.XSAVE && index > 1 && index < 63 && ebx >= EXTENDED)
    .map(({ index, eax, ebx }) => ({ bit: index, initial: ebx + eax <= bytes.length && zero(ebx, ebx + eax) }));
  // The x87 part lies around MXCSR (24) and its mask (28).
  const x87 = area.getUint16(0, true) === FCW_INITIAL && zero(2, 24) && zero(32, 160);
  const sse = area.getUint32(24, true) === MXCSR_INITIAL && zero(160, 416);
  return [{ bit: 0, initial: x87 }, { bit: 1, initial: sse }, ...extended];
}

/**
 * A copy of the area in which the bits of components that hold their initial values are clear. `cpuid`: a struct
 * kvm_cpuid2, whose leaf 0xd says where components lie. Throws RangeError for bytes that are too few.
 */
export function withBitsInUse(xsave: Uint8Array, cpuid: Uint8Array): Uint8Array {
  const copy = xsave.slice();
  const area = new DataView(copy.buffer);
  const unused = components(area, cpuid).filter(({ initial }) => initial);
  const mask = unused.reduce((bits, { bit }) => bits | (1n << BigInt(bit)), 0n);
  area.setBigUint64(XSTATE_BV, area.getBigUint64(XSTATE_BV, true) & ~mask, true);
  return copy;
}
