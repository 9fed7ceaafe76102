/** Starting the restoring process, and choosing points. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { it } from 'vitest';
import { SLOW_HOST, scaled } from '../../support/time.ts';
import type { Outcome, Task } from './child.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

/** The processor of this host is QEMU's emulator. */
const TCG = readFileSync('/proc/cpuinfo', 'latin1').includes('TCG');

/**
 * Guests that use ports in ring 3. QEMU's emulator allows that only under a TSS that is not marked busy (check_io wants
 * type 9); KVM reports, and so a restore loads, the busy type 11 that a processor's task register always has. There
 * such a guest gets a #GP after a restore; on real processors it goes on.
 */
const PORTS_IN_RING3 = /^(ring3|ring3-writer-bounded|checksum-writer-\d-bounded)$/;

/** Whether a guest of this name can go on after a restore on this host. */
export const goesOnHere = (name: string): boolean => !(TCG && PORTS_IN_RING3.test(name));

/** Milliseconds that a test over many guests may take here. */
export const LIMIT_MS = scaled(90_000);

/** On a slow host each nth of the list; otherwise all. */
export const sample = <T>(all: readonly T[], nth: number): T[] => all.filter((_, i) => !SLOW_HOST || i % nth === 0);

/** Shows as skipped, with the reason, each guest of `all` that is not among those chosen for this host. */
export function showLeftOut(all: readonly string[], chosen: readonly string[]): void {
  for (const name of new Set(all)) {
    if (chosen.includes(name)) continue;
    const reason = goesOnHere(name)
      ? 'others stand for it on a slow host'
      : 'after a restore this emulated processor refuses it its ports';
    it.skip(`${name}: ${reason}`, () => {});
  }
}

/** Performs the tasks in a process of its own. Throws with its stderr when it fails. */
export function inFreshProcess(tasks: readonly Task[]): Outcome[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CHILD, JSON.stringify(tasks)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`the restoring process ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Outcome[];
}

/** `count` different numbers from 1 to `most`, ascending, the same for the same seed. */
export function points(seed: number, count: number, most: number): number[] {
  let state = (seed * 2654435761) >>> 0 || 1;
  const chosen = new Set<number>();
  while (chosen.size < Math.min(count, most)) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    chosen.add(1 + Math.floor((state / 2 ** 32) * most));
  }
  return [...chosen].sort((a, b) => a - b);
}
