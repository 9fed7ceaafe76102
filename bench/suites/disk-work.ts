/** Requests to a disk, one at a time, against QEMU's virtio-blk: the same guest, the same file, the same run. */
import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Machine } from '../../src/machine/machine.ts';
import type { Bench } from '../bench.ts';
import { interleave, median } from '../measure.ts';
import { diskWorkGuest } from '../native.ts';
import { runGuest } from '../ours.ts';
import { QEMU_BASE, qemuProgram } from '../qemu.ts';
import type { Result } from '../report.ts';

const RAM_MIB = 64;
const DISK_BYTES = 64 * 2 ** 20;
const ROUNDS = 5;
/** What isa-debug-exit makes of the guest's 0. */
const QEMU_STATUS_OF_0 = 1;
const bar = { at: 'least', ratio: 0.5 } as const;
const NOTE = 'one at a time, by interrupt; floor: QEMU, virtio-blk on the same file';
/** The overlay takes memory of the host then, and QEMU's file is in the page cache all the time: no like for like. */
const FIRST = 'first time';
const LINE = /^(.+): (\d+) requests, (\d+) ticks$/gm;

/** QEMU's machine with virtio over MMIO: the first device has its registers and its interrupt where ours has them. */
const qemuArgs = (guest: string, image: string): string[] => [
  ...QEMU_BASE,
  ...['-machine', 'microvm,ioapic2=off', '-global', 'virtio-mmio.force-legacy=false', '-m', `${RAM_MIB}`],
  ...['-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04', '-kernel', guest],
  ...['-drive', `if=none,id=disk,format=raw,file=${image}`],
  ...['-device', 'virtio-blk-device,drive=disk,bus=virtio-mmio-bus.0'],
];

/** Rates by the name of the work, a list for each. */
class Rates {
  readonly byWork = new Map<string, number[]>();

  /** Adds what the guest has printed, and returns how much of it that was. `khz`: of its time stamp counter. */
  add(said: string, khz: number): number {
    const lines = [...said.matchAll(LINE)];
    if (lines.length === 0) throw new Error(`the guest measured nothing: ${said}`);
    for (const [, name, requests, ticks] of lines) {
      const rates = this.byWork.get(name!) ?? [];
      this.byWork.set(name!, rates);
      rates.push((Number(requests) / Number(ticks)) * khz * 1000);
    }
    return lines.length;
  }

  /** The median without the first, which warms up. */
  of = (name: string): number => median(this.byWork.get(name)!.slice(1));
}

async function ourRun(guest: string, path: string): Promise<string> {
  let said = '';
  const hear = (bytes: Uint8Array) => {
    said += Buffer.from(bytes).toString('latin1');
  };
  const { result } = await runGuest(guest, RAM_MIB, hear, [{ path }]);
  if (result.reason === 'exit-port' && result.value === 0) return said;
  throw new Error(`the guest ended with ${result.reason}: ${said}`);
}

function qemuRun(qemu: string, guest: string, path: string): string {
  const { status, stdout, stderr } = spawnSync(qemu, qemuArgs(guest, path), { encoding: 'utf8' });
  if (status === QEMU_STATUS_OF_0) return stdout;
  throw new Error(`QEMU ended with ${status}: ${stdout}${stderr}`);
}

/** Ticks of the guest's time stamp counter in a millisecond: neither side scales it. */
function tscKhz(): number {
  using machine = Machine.create({ memory: 2 ** 20 });
  using vcpu = machine.createVcpu(0);
  return vcpu.getTscKhz();
}

async function diskWork(): Promise<Result[]> {
  const qemu = qemuProgram();
  const guest = await diskWorkGuest();
  const khz = tscKhz();
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  try {
    const image = join(folder, 'disk.img');
    writeFileSync(image, randomFillSync(Buffer.alloc(DISK_BYTES)));
    const [ours, floor] = [new Rates(), new Rates()];
    await interleave(ROUNDS, {
      ours: async () => ours.add(await ourRun(guest, image), khz),
      floor: () => floor.add(qemuRun(qemu, guest, image), khz),
    });
    return [...ours.byWork.keys()].map((name) => ({
      name: `disk: ${name}`,
      ours: ours.of(name),
      floor: floor.of(name),
      unit: 'req/s',
      ...(name.endsWith(FIRST) ? { note: `${NOTE}, in memory that it has` } : { bar, note: NOTE }),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const DISK_WORK_BENCHES: readonly Bench[] = [{ name: 'disk-work', run: diskWork }];
