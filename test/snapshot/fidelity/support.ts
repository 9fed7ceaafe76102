/** Starting the restoring process, and choosing points. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Outcome, Task } from './child.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

/** Whether the long sweeps are wanted: VMLAPSE_LONG=1. */
export const LONG = process.env.VMLAPSE_LONG === '1';

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
