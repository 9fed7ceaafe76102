/** The guest disk-log on a disk of its own, in this thread, and what its disk holds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CounterName } from '../../guests/contract.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/machine-config.ts';
import { Driver } from './driver.ts';
import { temporaryDirectory } from './store/support.ts';

const MIB = 2 ** 20;
const SECTOR = 512;
const NUMBER_AT = 8;

/** The machine, not yet running. `path`: its image, which is empty. */
export function diskMachine(
  path: string,
  { name = 'disk-log', ...options }: Partial<MachineOptions> & { name?: string },
) {
  const bytes = readGuest(name);
  const machine = Machine.create({ memory: 4 * MIB, disks: [{ path }], irqchip: name.endsWith('irq'), ...options });
  bootImage(machine, load(bytes, { memoryMap: machine.memory.memoryMap }));
  const symbols = guestSymbols(bytes);
  return { machine, address: (word: CounterName | 'param_salt') => Number(symbols.get(word)!.address) };
}

/** The guest with its disk and a folder. */
export function startLog(options: Partial<MachineOptions> & { name?: string; bytes?: number } = {}) {
  const { bytes = 8 * MIB, ...rest } = options;
  const folder = temporaryDirectory();
  const path = join(folder.path, 'disk.img');
  writeFileSync(path, new Uint8Array(bytes));
  const { machine, address } = diskMachine(path, rest);
  const driver = new Driver(machine);
  const files = () => Number(machine.memory.readUint(address('log_files'), 8));
  return {
    folder: folder.path,
    path,
    machine,
    driver,
    address,
    files,
    [Symbol.dispose]() {
      driver[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** How many files the log on a disk has: sectors, from the first on, that say their number. */
export function filesOn(disk: Disk): number {
  const sector = new Uint8Array(SECTOR);
  const view = new DataView(sector.buffer);
  for (let number = 0; ; number++) {
    disk.read(number * SECTOR, sector);
    if (view.getBigUint64(0, true) === 0n || Number(view.getBigUint64(NUMBER_AT, true)) !== number) return number;
  }
}
