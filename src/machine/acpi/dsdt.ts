/**
 * The differentiated system description table (ACPI specification 6.5, section 5.2.11.1): the devices that an operating
 * system does not find by itself, one term each, and the sleep state S5, which is off.
 */
import { VIRTIO_SLOT_BYTES, type VirtioSlot } from '../../devices/virtio/slots.ts';
import { device, eisaId, ifArgumentIs, integer, list, method, name, notify, scope, string } from './aml.ts';
import type { Bytes } from './bytes.ts';
import { table } from './header.ts';
import { interrupt, isaInterrupt, memory32, ports, resources } from './resources.ts';

/** Interrupts by which the host tells the guest of an event. */
export const EVENTS = { POWER_BUTTON: 10, GENERATION: 11 } as const;

const REVISION = 2;
/** What goes into SLP_TYP for S5. Any value is off here (src/devices/power.ts). */
const SLEEP_TYPE = 5;
/** The power button was pressed (section 4.8.2.2.1.2). */
const PRESSED = 0x80;
/** The generation is another one. */
const CHANGED = 0x80;

const S5 = name('\\_S5', list(...[SLEEP_TYPE, SLEEP_TYPE, 0, 0].map(integer)));

const serialPort = device(
  'COM1',
  name('_HID', eisaId('PNP0501')),
  name('_UID', integer(1)),
  resources(ports(0x3f8, 8), isaInterrupt(4)),
);

const keyboard = device(
  'KBD',
  name('_HID', eisaId('PNP0303')),
  resources(ports(0x60, 1), ports(0x64, 1), isaInterrupt(1)),
);

/** Without its interrupt: it has no alarm. */
const clock = device('RTC', name('_HID', eisaId('PNP0B00')), resources(ports(0x70, 2)));

const powerButton = device('PWRB', name('_HID', eisaId('PNP0C0C')));

/** The generation of the machine, at `gpa` (src/devices/generation.ts). */
const generation = (gpa: number): Bytes =>
  device(
    'VGEN',
    name('_HID', string('VMLA0001')),
    name('_CID', string('VM_Gen_Counter')),
    name('_DDN', string('VM_Gen_Counter')),
    name('ADDR', list(integer(gpa), integer(0))),
  );

/** The generic event device (section 5.6.9): an interrupt, and the method that says which device it is about. */
const events = device(
  'GED',
  name('_HID', string('ACPI0013')),
  resources(...Object.values(EVENTS).map((gsi) => interrupt(gsi, 'edge'))),
  method(
    '_EVT',
    1,
    ifArgumentIs(EVENTS.POWER_BUTTON, notify('PWRB', PRESSED)),
    ifArgumentIs(EVENTS.GENERATION, notify('VGEN', CHANGED)),
  ),
);

/** A virtio device behind memory-mapped registers (Linux: drivers/virtio/virtio_mmio.c). */
const virtio = ({ index, base, gsi }: VirtioSlot): Bytes =>
  device(
    `VR${index.toString(16).padStart(2, '0').toUpperCase()}`,
    name('_HID', string('LNRO0005')),
    name('_UID', integer(index)),
    name('_CCA', integer(1)),
    resources(memory32(base, VIRTIO_SLOT_BYTES), interrupt(gsi, 'level')),
  );

const DEVICES: readonly Bytes[] = [serialPort, keyboard, clock, powerButton, events];

/** The DSDT of a machine with these virtio devices, and its generation at a guest-physical address. */
export const dsdt = (slots: readonly VirtioSlot[], generationGpa: number): Uint8Array =>
  table('DSDT', REVISION, [...S5, ...scope('\\_SB', ...DEVICES, generation(generationGpa), ...slots.map(virtio))]);
