/** Loading a 256 MiB ELF file into guest memory: speed against a C loader, and the memory it costs. */
import { execFileSync } from 'node:child_process';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { readImage } from '../../loaders/read.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { Bench } from '../bench.ts';
import { bigElf } from '../big-elf.ts';
import { interleave } from '../measure.ts';
import { runFloor } from '../native.ts';
import { probeArgs } from '../ours.ts';

const FILE_MIB = 256;
const RAM_MIB = 320;
const ROUNDS = 7;
const MIB = 2 ** 20;
/** Memory a load may cost beyond the file's size, which the guest's copy of it takes. */
const MEMORY_LIMIT_MIB = 64;

/** MiB per second from opening the file to its last byte in guest memory; the machine exists already, as in the C loader. */
function ourSpeed(path: string): number {
  using machine = Machine.create({ memory: RAM_MIB * MIB });
  const start = performance.now();
  using file = readImage(path);
  bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }), file.release);
  return FILE_MIB / ((performance.now() - start) / 1000);
}

interface MemoryProbe {
  readonly before: { readonly peak: number };
  readonly after: { readonly peak: number };
}

async function loading() {
  using file = bigElf(FILE_MIB);
  const speeds = await interleave(ROUNDS, {
    ours: () => ourSpeed(file.path),
    floor: () => FILE_MIB / runFloor<{ seconds: number }>('load-elf', [file.path, RAM_MIB]).seconds,
  });
  const probe = JSON.parse(
    execFileSync(process.execPath, probeArgs('load', file.path, String(RAM_MIB)), { encoding: 'utf8' }),
  ) as MemoryProbe;
  const above = (probe.after.peak - probe.before.peak) / MIB - FILE_MIB;
  return [
    { name: 'load-256MiB', ...speeds, unit: 'MiB/s', bar: { at: 'least', ratio: 0.7 }, note: 'floor: C mmap + memcpy' },
    {
      name: 'load-256MiB: memory above file',
      ours: above,
      floor: MEMORY_LIMIT_MIB,
      unit: 'MiB',
      bar: { at: 'most', ratio: 1 },
      note: 'resident peak; floor: the limit',
    },
  ] as const;
}

export const LOADING_BENCHES: readonly Bench[] = [{ name: 'load', run: loading }];
