/**
 * The fixed ACPI description table (ACPI specification 6.5, section 5.2.9), and the firmware control structure that belongs
 * to it (5.2.10). Full hardware, not reduced: a Linux of the reduced kind looks for no 8254 and no 8259, which it needs
 * where KVM offers no TSC deadline timer.
 */
import { PM1A_EVENTS } from '../../devices/acpi-events.ts';
import { PM1A_CONTROL } from '../../devices/power.ts';
import { ascii, type Bytes, uint } from './bytes.ts';
import { table } from './header.ts';

/** The system control interrupt. */
export const SCI = 9;

const RESET_PORT = 0xcf9;
const RESET_VALUE = 6;

const REVISION = 6;
const MINOR_REVISION = 3;
const DESKTOP = 1;
/** Worst latencies that mean there is no C2 and no C3, in microseconds. */
const NO_C2 = 101;
const NO_C3 = 1001;
const CENTURY_NONE = 0;
const BOOT_ARCH = { LEGACY_DEVICES: 1, KEYBOARD_CONTROLLER: 2, NO_PCIE_ASPM: 16 } as const;
/** Buttons are devices in the DSDT (PWR_BUTTON, SLP_BUTTON), not bits of PM1. */
const FLAGS = { WBINVD: 1, PROC_C1: 4, PWR_BUTTON: 16, SLP_BUTTON: 32, RESET_REG: 1024 } as const;

const SYSTEM_IO = 1;
const NOWHERE: Bytes = new Array<number>(12).fill(0);

/** A generic address: ports of `bits` bits. */
const port = (address: number, bits: number, access: number): Bytes => [
  SYSTEM_IO,
  bits,
  0,
  access,
  ...uint(address, 8),
];

/** Access sizes of a generic address. */
const BYTE = 1;
const WORD = 2;

const sum = (flags: Readonly<Record<string, number>>) => Object.values(flags).reduce((a, b) => a | b);

/** The FADT with the addresses of the FACS and the DSDT. */
export const fadt = (facs: number, dsdt: number): Uint8Array =>
  table('FACP', REVISION, [
    ...uint(facs, 4),
    ...uint(dsdt, 4),
    0,
    DESKTOP,
    ...uint(SCI, 2),
    ...uint(0, 4), // SMI_CMD: always in ACPI mode
    ...[0, 0, 0, 0],
    ...uint(PM1A_EVENTS, 4),
    ...uint(0, 4),
    ...uint(PM1A_CONTROL, 4),
    ...uint(0, 4),
    ...uint(0, 4), // PM2
    ...uint(0, 4), // PM timer
    ...uint(0, 4), // GPE0
    ...uint(0, 4), // GPE1
    ...[4, 2, 0, 0, 0, 0, 0, 0], // lengths of the blocks above; GPE1 base; _CST
    ...uint(NO_C2, 2),
    ...uint(NO_C3, 2),
    ...uint(0, 4), // flush size and stride
    ...[0, 0, 0, 0, CENTURY_NONE],
    ...uint(sum(BOOT_ARCH), 2),
    0,
    ...uint(sum(FLAGS), 4),
    ...port(RESET_PORT, 8, BYTE),
    RESET_VALUE,
    ...uint(0, 2),
    MINOR_REVISION,
    ...uint(0, 8), // FACS: by its 32-bit address
    ...uint(dsdt, 8),
    ...port(PM1A_EVENTS, 32, WORD),
    ...NOWHERE,
    ...port(PM1A_CONTROL, 16, WORD),
    ...NOWHERE,
    ...NOWHERE, // PM2
    ...NOWHERE, // PM timer
    ...NOWHERE, // GPE0
    ...NOWHERE, // GPE1
    ...NOWHERE, // sleep control
    ...NOWHERE, // sleep status
    ...ascii('VMLAPSE', 8), // hypervisor vendor
  ]);

const FACS_BYTES = 64;
const FACS_VERSION = 2;
const FACS_VERSION_AT = 32;

/** The FACS; on a 64-byte boundary. Its global lock and waking vectors are the guest's to use. */
export const facs = (): Uint8Array =>
  Uint8Array.from([...ascii('FACS', 4), ...uint(FACS_BYTES, 4), ...new Array<number>(FACS_BYTES - 8).fill(0)]).with(
    FACS_VERSION_AT,
    FACS_VERSION,
  );
