/** Hardware breakpoints as the debug registers have them (SDM volume 3, 17.2). */
import { DR6, DR7 } from '../../abi/registers.ts';

/** A breakpoint or watchpoint of the processor. */
export interface HardwareStop {
  /** Linear; of data a multiple of `length`. */
  readonly address: bigint;
  readonly kind: 'execute' | 'write' | 'access';
  /** Bytes; 1 for code. */
  readonly length: 1 | 2 | 4 | 8;
}

/** A processor has so many. */
export const HARDWARE_STOPS = 4;

/** Bits of DR6: which of them, and a single step. */
export const STATUS_STOPS: readonly bigint[] = [DR6.B0, DR6.B1, DR6.B2, DR6.B3];
export const STATUS_STEP: bigint = DR6.BS;

const KIND_BITS = { execute: 0n, write: 1n, access: 3n } as const;
const LENGTH_BITS = { 1: 0n, 2: 1n, 4: 3n, 8: 2n } as const;
const LOCAL_AND_GLOBAL = 3n;

/** The value of DR7 that makes these stop, the first by DR0 and so on. */
export const dr7Of = (stops: readonly HardwareStop[]): bigint =>
  stops.reduce((dr7, { kind, length }, i) => {
    const control = KIND_BITS[kind] | (LENGTH_BITS[length] << 2n);
    return dr7 | (LOCAL_AND_GLOBAL << BigInt(2 * i)) | (control << BigInt(16 + 4 * i));
  }, DR7.FIXED);
