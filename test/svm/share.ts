/** Shares test files out to several hosts, the long ones first, each to the host with the least to do. */
import { byTurn, TODAY } from '../support/turn.ts';

/** Rough seconds on an emulated processor, of files that take much longer than the others. */
const SECONDS: Readonly<Record<string, number>> = {
  'snapshot/on-demand.test.js': 156,
  'real/guests.test.js': 126,
  'snapshot/on-demand-needed.test.js': 91,
  'boot/guests.test.js': 89,
  'tools/learn/matrix.test.js': 89,
  'snapshot/live/session.test.js': 82,
  'snapshot/live/invariants.test.js': 62,
  'debug/interruptions.test.js': 58,
  'snapshot/running-fork-pool.test.js': 56,
  'snapshot/fork.test.js': 53,
  'real/linux-disk.test.js': 53,
  'runner/halted.test.js': 50,
  'snapshot/live/disk.test.js': 42,
  'snapshot/on-demand-damage.test.js': 38,
  'debug/blame.test.js': 38,
  'snapshot/cache.test.js': 36,
  'debug/ticks.test.js': 36,
  'snapshot/fidelity/exact-points.test.js': 34,
  'debug/travel/traveler.test.js': 32,
  'snapshot/disk.test.js': 31,
  'snapshot/restore.test.js': 29,
  'runner/ends.test.js': 29,
  'snapshot/rollback.test.js': 28,
  'runner/pause.test.js': 27,
  'snapshot/fidelity/cycles.test.js': 27,
  'snapshot/fidelity/threads.test.js': 26,
  'debug/seek.test.js': 25,
  'debug/replay.test.js': 25,
  'snapshot/fork-pool.test.js': 24,
  'runner/leaks.test.js': 23,
  'machine/leaks.test.js': 20,
  'debug/lost-places.test.js': 20,
  'tools/gdb/session.test.js': 19,
  'debug/waiting.test.js': 18,
  'snapshot/fidelity/abc.test.js': 17,
  'snapshot/tsc.test.js': 17,
  'snapshot/fidelity/guests.test.js': 16,
  'snapshot/ended.test.js': 15,
  'debug/last-access.test.js': 14,
  'runner/serial.test.js': 13,
  'bios/checkpoint.test.js': 13,
  'debug/stops/debugger.test.js': 12,
  'debug/stops/clean.test.js': 11,
  'snapshot/session.test.js': 10,
};
const USUAL_SECONDS = 3;

/** From here on, files take turns. */
const LONG_SECONDS = 20;

const weight = (file: string) => SECONDS[file] ?? USUAL_SECONDS;

/** The files of a day, and those of other days ({@link byTurn}). */
export function filesOfTurn(files: readonly string[]): { taken: string[]; left: string[] } {
  const ordered = files.toSorted((a, b) => weight(b) - weight(a));
  const { taken, left } = byTurn(
    ordered.filter((file) => weight(file) >= LONG_SECONDS),
    TODAY,
  );
  return { taken: [...taken, ...ordered.filter((file) => weight(file) < LONG_SECONDS)], left };
}

/** Every file once, in at most `hosts` shares, none of them empty. */
export function share(files: readonly string[], hosts: number): string[][] {
  const shares = Array.from({ length: Math.max(1, Math.min(hosts, files.length)) }, () => ({
    files: [] as string[],
    seconds: 0,
  }));
  for (const file of files.toSorted((a, b) => weight(b) - weight(a))) {
    const idlest = shares.reduce((least, one) => (one.seconds < least.seconds ? one : least));
    idlest.files.push(file);
    idlest.seconds += weight(file);
  }
  return shares.map((one) => one.files).filter((one) => one.length > 0);
}
