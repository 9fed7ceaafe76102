/** What QEMU's own snapshots cost, for the guests of bench/guests: restoring in place, and the downtime it reports. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onPath, Qemu } from './qemu.ts';

/** Where guests/dirty.S counts its rounds. */
const ROUNDS_GPA = 0xf0_0000;
const BOOT_DEADLINE_MS = 60_000;

async function rounds(qemu: Qemu): Promise<bigint> {
  const answer = await qemu.command<string>('human-monitor-command', { 'command-line': `xp /1gx ${ROUNDS_GPA}` });
  return BigInt(/: (0x[0-9a-f]+)/.exec(answer)?.[1] ?? 0);
}

/** Waits until the guest has gone through at least one more round. */
async function oneMoreRound(qemu: Qemu): Promise<void> {
  const before = await rounds(qemu);
  for (const end = performance.now() + BOOT_DEADLINE_MS; performance.now() < end; await sleep(10)) {
    if ((await rounds(qemu)) > before) return;
  }
  throw new Error(`the guest did not dirty its pages within ${BOOT_DEADLINE_MS / 1000} s under QEMU`);
}

/** Boots a dirty guest (without marks) under QEMU in `memoryMib` of RAM, in a folder of its own, and waits until it runs. */
async function withGuest<T>(
  guest: string,
  memoryMib: number,
  use: (qemu: Qemu, folder: string) => Promise<T>,
): Promise<T> {
  const image = onPath('qemu-img', 'qemu-utils');
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  try {
    const disk = join(folder, 'snapshots.qcow2');
    execFileSync(image, ['create', '-q', '-f', 'qcow2', disk, '4G']);
    const drive = ['-drive', `if=none,file=${disk},format=qcow2`];
    await using qemu = await Qemu.start(['-m', String(memoryMib), '-kernel', guest, ...drive]);
    await oneMoreRound(qemu);
    return await use(qemu, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds of each of `times` loadvm, with the guest dirtying its pages before each. */
export const loadvmMs = (guest: string, memoryMib: number, times: number): Promise<number[]> =>
  withGuest(guest, memoryMib, async (qemu) => {
    await qemu.human('savevm bench');
    const samples: number[] = [];
    for (let i = 0; i < times; i++) {
      await oneMoreRound(qemu);
      const start = performance.now();
      await qemu.human('loadvm bench');
      samples.push(performance.now() - start);
    }
    return samples;
  });

/** How QEMU writes the state of a running machine to a file: migration with pre-copy, or its background snapshot. */
export type LiveSnapshot = 'migrate' | 'background-snapshot';

interface Migration {
  readonly status: string;
  readonly downtime?: number;
  readonly 'error-desc'?: string;
}

/** The downtime in milliseconds (whole ones) that QEMU reports for each of `times` snapshots to a file. */
export const downtimeMs = (guest: string, memoryMib: number, how: LiveSnapshot, times: number): Promise<number[]> =>
  withGuest(guest, memoryMib, async (qemu, folder) => {
    const capabilities = [{ capability: 'background-snapshot', state: how === 'background-snapshot' }];
    await qemu.command('migrate-set-capabilities', { capabilities });
    const samples: number[] = [];
    for (let i = 0; i < times; i++) {
      await oneMoreRound(qemu);
      await qemu.command('migrate', { uri: `exec:cat > ${join(folder, 'state')}` });
      samples.push(await finished(qemu));
      if (how === 'migrate') await qemu.command('cont');
    }
    return samples;
  });

async function finished(qemu: Qemu): Promise<number> {
  for (;;) {
    await sleep(10);
    const migration = await qemu.command<Migration>('query-migrate');
    if (migration.status === 'completed') return migration.downtime ?? Number.NaN;
    if (migration.status === 'failed')
      throw new Error(`QEMU's snapshot failed: ${migration['error-desc'] ?? 'no reason given'}`);
  }
}
