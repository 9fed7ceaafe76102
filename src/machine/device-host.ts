/** What the devices of a machine use of the outside world: its interrupt lines, RAM and disks, and the host's clock. */
import type { DeviceHost, DeviceSpec } from '../devices/device.ts';
import type { StateLock } from '../devices/lock.ts';
import { lineOf } from '../devices/virtio/slots.ts';
import type { QueueWorker } from '../devices/work.ts';
import type { Vm } from '../kvm/vm.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { Disks } from './disks.ts';
import type { InterruptLines } from './interrupt-lines.ts';
import type { MachineConfig } from './machine-config.ts';
import { openPics } from './user-chips.ts';

/** How devices are attached in a thread. */
export interface AttachOptions {
  /** Other threads attach them too. */
  readonly shared: boolean;
  readonly wake?: () => void;
  /** The thread that works on the queues of devices. Absent: this one does. */
  readonly worker?: QueueWorker;
  /** Held by this thread while devices are accessed. */
  readonly lock?: StateLock | undefined;
  /** Milliseconds since 1970, for the devices. Default: the host's clock. */
  readonly now?: () => number;
}

/** The parts of a machine that its devices use. */
interface Surroundings {
  readonly config: Required<MachineConfig>;
  readonly vm: Vm;
  readonly lines: InterruptLines;
  readonly memory: GuestMemory;
  readonly disks: Disks;
  readonly hasQueues: boolean;
  readonly devices: readonly DeviceSpec[];
  readonly deviceState: SharedArrayBuffer;
}

/** The host of the devices that a thread attaches. `output` receives what the guest prints. */
export function deviceHost(
  machine: Surroundings,
  output: DeviceHost['output'],
  { wake, worker, lock, now = Date.now }: Omit<AttachOptions, 'shared'>,
): DeviceHost {
  const { config, vm, lines, memory, disks } = machine;
  const pics = openPics(machine);
  const set = pics ? (gsi: number, level: 0 | 1) => pics.setLine(lineOf(gsi), level) : lines.set.bind(lines);
  return {
    setIrq: config.irqchip
      ? (gsi, level) => vm.irqLine(gsi, level)
      : (gsi, level) => {
          set(gsi, level);
          if (level === 1) wake?.();
        },
    output,
    ramBytes: config.memory,
    lowRamBytes: memory.regions[0]!.size,
    cpus: config.cpus,
    now,
    ...(machine.hasQueues && {
      queues: { ram: memory, disks: disks.list, ...(worker && { worker: wokenLater(worker, lock) }) },
    }),
  };
}

/** The same thread, woken when the lock is free, which is the first thing it wants. */
function wokenLater(worker: QueueWorker, lock: StateLock | undefined): QueueWorker {
  if (!lock) return worker;
  const wake = () => worker.wake();
  return { wake: () => lock.afterwards(wake), waitUntilIdle: (slot) => worker.waitUntilIdle(slot) };
}
