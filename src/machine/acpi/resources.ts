/** What a device occupies, for its _CRS (ACPI specification 6.5, section 6.4). */
import { buffer, name } from './aml.ts';
import { type Bytes, uint } from './bytes.ts';

const IO_PORTS = 0x47;
const DECODES_16_BITS = 1;
const IRQ = 0x22;
const MEMORY_32_FIXED = 0x86;
const WRITABLE = 1;
const EXTENDED_INTERRUPT = 0x89;
const CONSUMER = 1;
const EDGE = 2;
const END = 0x79;

/** `length` ports from `base`. */
export const ports = (base: number, length: number): Bytes => [
  IO_PORTS,
  DECODES_16_BITS,
  ...uint(base, 2),
  ...uint(base, 2),
  1,
  length,
];

/** An ISA interrupt, edge-triggered and active high. */
export const isaInterrupt = (irq: number): Bytes => [IRQ, ...uint(1 << irq, 2)];

/** A range below 4 GiB. */
export const memory32 = (base: number, length: number): Bytes => [
  MEMORY_32_FIXED,
  ...uint(9, 2),
  WRITABLE,
  ...uint(base, 4),
  ...uint(length, 4),
];

/** An interrupt by its number in the system (GSI), active high. */
export const interrupt = (gsi: number, trigger: 'edge' | 'level'): Bytes => [
  EXTENDED_INTERRUPT,
  ...uint(6, 2),
  trigger === 'edge' ? CONSUMER | EDGE : CONSUMER,
  1,
  ...uint(gsi, 4),
];

/** _CRS with these resources. A checksum of 0 stands for none. */
export const resources = (...descriptors: Bytes[]): Bytes => name('_CRS', buffer([...descriptors.flat(), END, 0]));
