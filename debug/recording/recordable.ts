/** Which machines and guests can be recorded. What cannot is refused, not recorded wrongly. */
import { Exit } from '../../src/abi/exits.ts';
import { UsageError } from '../../src/errors.ts';
import type { RunArea } from '../../src/kvm/run-area.ts';
import type { Machine } from '../../src/machine/machine.ts';

/** Throws UsageError for a machine that gets anything from where it cannot be logged. */
export function checkRecordable({ config }: Machine): void {
  const { cpus, irqchip, rng } = config;
  if (cpus > 1) throw new UsageError("several vCPUs cannot be recorded: their order is the host's");
  if (irqchip)
    throw new UsageError(
      "a machine with the kernel's interrupt controllers cannot be recorded: their timers are not logged; make it with irqchip: false, and userChips: true",
    );
  if (rng) throw new UsageError('a machine with a source of random numbers cannot be recorded; leave --rng out');
}

interface Chip {
  readonly name: string;
  /** Ports, first and last. */
  readonly ports?: readonly [number, number];
  /** Guest-physical addresses, first and last. */
  readonly addresses?: readonly [number, number];
  /** Whether a value written there begins to use it: guests also switch off what they do not use. */
  readonly begins: (value: number) => boolean;
}

const ICW1 = 0x10;
const always = () => true;

/** What no recorded machine has, and guests that need it would wait for. */
const APICS: readonly Chip[] = [
  { name: 'the I/O APIC', addresses: [0xfec0_0000, 0xfec0_0fff], begins: always },
  { name: 'the local APIC', addresses: [0xfee0_0000, 0xfee0_0fff], begins: always },
];

/** What only one with chips in user space has. */
const CHIPS: readonly Chip[] = [
  { name: 'the interrupt controller (8259)', ports: [0x20, 0x20], begins: (value) => (value & ICW1) !== 0 },
  { name: 'the interrupt controller (8259)', ports: [0xa0, 0xa0], begins: (value) => (value & ICW1) !== 0 },
  { name: 'the timer (8254)', ports: [0x40, 0x43], begins: always },
];

const within = (value: number, range: readonly [number, number] | undefined) =>
  range !== undefined && value >= range[0] && value <= range[1];

/** The chip that the exit in `area` begins to use, although the machine has none, in words; undefined for all other exits. */
export function missingChip(area: RunArea, { userChips }: { readonly userChips: boolean }): string | undefined {
  if (area.exitReason === Exit.MMIO) {
    const { mmioAddress } = area;
    const apic = area.mmioIsWrite ? APICS.find(({ addresses }) => within(mmioAddress, addresses)) : undefined;
    return apic && `${apic.name}, which no recorded machine has`;
  }
  if (userChips || area.exitReason !== Exit.IO || area.ioDirection !== 1 || area.ioPort > 0xff) return undefined;
  const { ioPort } = area;
  const chip = CHIPS.find(({ ports, begins }) => within(ioPort, ports) && begins(area.bytes[area.ioDataOffset]!));
  return (
    chip &&
    `${chip.name}, which a recorded machine can have; this machine was made without it (--no-irqchip, or no userChips)`
  );
}
