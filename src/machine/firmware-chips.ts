/**
 * The interrupt controllers and the timer as a PC's firmware leaves them to what it starts: a kernel that programs only a
 * part of them, as on a PC, finds the rest set. Values are those that SeaBIOS leaves under QEMU.
 */
import { KvmPicState } from '../abi/structs.ts';
import type { DeviceHost } from '../devices/device.ts';
import type { PicStart } from '../devices/pic/pair.ts';
import { usedSlots } from '../devices/virtio/slots.ts';
import type { Vm } from '../kvm/vm.ts';
import type { MachineConfig } from './machine-config.ts';
import { type ChipOwner, openPics, openPit } from './user-chips.ts';

/** What else is used of a machine. */
interface FirmwareMachine extends ChipOwner {
  readonly config: Required<MachineConfig>;
  readonly vm: Vm;
  host(output: DeviceHost['output']): DeviceHost;
}

/** IRQ 0 to 7 at vector 8: timer, keyboard, the second controller and the floppy are on. */
const MASTER: Omit<PicStart, 'levels'> = { base: 0x08, mask: 0xb8 };
/** IRQ 8 to 15 at vector 70h: clock, mouse, x87 and disk are on. */
const SLAVE: Omit<PicStart, 'levels'> = { base: 0x70, mask: 0x8e };

/** Rate generator, low byte and high byte, and the full count of 65536: 18.2 ticks a second. */
const TIMER = { mode: 2, rw_mode: 3, count: 0x1_0000, gate: 1 } as const;

/** Sets the chips, where the machine has some. Call it before a vCPU runs. Throws KvmError. */
export function leaveAsFirmware(machine: FirmwareMachine): void {
  if (machine.config.irqchip) setKernelChips(machine.vm);
  const levels = usedSlots(machine.config).reduce((lines, { line }) => lines | (1 << line), 0);
  openPics(machine)?.begin({ ...MASTER, levels: levels & 0xff }, { ...SLAVE, levels: levels >> 8 });
  const host = machine.host(() => {});
  openPit(machine, host)?.begin(host.now());
}

function setKernelChips(vm: Vm): void {
  [MASTER, SLAVE].forEach(({ base, mask }, id) => {
    const chip = vm.getIrqchip(id as 0 | 1);
    Object.assign(KvmPicState.over(chip.chip), { irq_base: base, imr: mask, init4: 1 });
    vm.setIrqchip(chip);
  });
  const timer = vm.getPit2();
  Object.assign(timer.channels.at(0), TIMER);
  vm.setPit2(timer);
}
