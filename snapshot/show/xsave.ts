/**
 * The x87, SSE and AVX registers in an XSAVE area of the standard format (SDM volume 1, 13.4): the legacy region as
 * FXSAVE lays it out, the header at 512, the upper halves of YMM at 576.
 */
import { XCR0 } from '../../src/abi/registers.ts';
import { field, flagsOf, integer, rawField, type StateField } from './field.ts';

const REGISTER_BYTES = 16;
const HEADER = 512;
const YMM = 576;
const YMM_END = YMM + 16 * REGISTER_BYTES;
const AVX = 4n;

/** Numbers of the legacy region: name -> offset and size. */
const LEGACY = {
  fcw: [0, 2],
  fsw: [2, 2],
  ftw: [4, 1],
  fop: [6, 2],
  fip: [8, 8],
  fdp: [16, 8],
  mxcsr: [24, 4],
} as const;

/** Every register of the area; what lies behind the upper halves of YMM is one field. */
export function xsaveFields(bytes: Uint8Array): StateField[] {
  if (bytes.length < YMM_END) throw new RangeError(`an XSAVE area of ${bytes.length} bytes`);
  const at = (offset: number, size: number) => bytes.subarray(offset, offset + size);
  const present = integer(at(HEADER, 8));
  const bank = (name: string, offset: number, count: number, stride = REGISTER_BYTES, size = REGISTER_BYTES) =>
    Array.from({ length: count }, (_, i) => rawField(`${name}${i}`, at(offset + i * stride, size)));
  return [
    ...Object.entries(LEGACY).map(([name, [offset, size]]) => field(name, integer(at(offset, size)), size)),
    field('xstate_bv', present, 8, flagsOf(XCR0, present)),
    ...bank('st', 32, 8, REGISTER_BYTES, 10),
    ...bank('xmm', 160, 16),
    ...((present & AVX) === 0n ? [rawField('ymm_upper', at(YMM, YMM_END - YMM))] : bank('ymm_upper', YMM, 16)),
    rawField('extended', bytes.subarray(YMM_END)),
  ];
}
