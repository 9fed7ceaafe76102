/** The multiple APIC description table (ACPI specification 6.5, section 5.2.12): processors and interrupt controllers. */
import { type Bytes, uint } from './bytes.ts';
import { SCI } from './fadt.ts';
import { table } from './header.ts';

const REVISION = 5;
const LOCAL_APIC = 0xfee0_0000;
const IO_APIC = 0xfec0_0000;
/** There are 8259s, too. */
const PCAT_COMPAT = 1;
const ENABLED = 1;
const ACTIVE_HIGH = 1;
const LEVEL = 3 << 2;
const ISA = 0;
const ALL_PROCESSORS = 0xff;
const NMI_LINE = 1;

/** The highest APIC id that a local APIC entry can hold; more need x2APIC entries. */
const MOST_XAPIC_ID = 254;

const TYPE = { LOCAL_APIC: 0, IO_APIC: 1, OVERRIDE: 2, LOCAL_NMI: 4, LOCAL_X2APIC: 9 } as const;
const entry = (type: number, body: Bytes): Bytes => [type, body.length + 2, ...body];

const processor = (id: number): Bytes =>
  id <= MOST_XAPIC_ID
    ? entry(TYPE.LOCAL_APIC, [id, id, ...uint(ENABLED, 4)])
    : entry(TYPE.LOCAL_X2APIC, [0, 0, ...uint(id, 4), ...uint(ENABLED, 4), ...uint(id, 4)]);

/**
 * The MADT of `cpus` processors with APIC ids from 0. ISA interrupts arrive at the pins of their numbers, the timer's 0
 * included (KVM's default routing); only the system control interrupt is level-triggered.
 */
export const madt = (cpus: number): Uint8Array =>
  table('APIC', REVISION, [
    ...uint(LOCAL_APIC, 4),
    ...uint(PCAT_COMPAT, 4),
    ...Array.from({ length: cpus }, (_, id) => processor(id)).flat(),
    ...entry(TYPE.IO_APIC, [cpus <= MOST_XAPIC_ID ? cpus : 0, 0, ...uint(IO_APIC, 4), ...uint(0, 4)]),
    ...entry(TYPE.OVERRIDE, [ISA, SCI, ...uint(SCI, 4), ...uint(ACTIVE_HIGH | LEVEL, 2)]),
    ...entry(TYPE.LOCAL_NMI, [ALL_PROCESSORS, ...uint(0, 2), NMI_LINE]),
  ]);
