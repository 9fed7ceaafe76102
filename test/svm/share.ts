/** Shares test files out to several hosts, the long ones first, each to the host with the least to do. */
import { byTurn, TODAY } from '../support/turn.ts';

/** Rough seconds on an emulated processor, of files that take much longer than the others. */
const SECONDS: Readonly<Record<string, number>> = {
  'real/guests.test.js': 160,
  'snapshot/live/session.test.js': 120,
  'snapshot/fork.test.js': 120,
  'boot/guests.test.js': 120,
  'snapshot/on-demand.test.js': 110,
  'snapshot/live/invariants.test.js': 105,
  'debug/ticks.test.js': 90,
  'debug/interruptions.test.js': 90,
  'debug/lost-places.test.js': 60,
  'snapshot/fidelity/exact-points.test.js': 90,
  'snapshot/disk.test.js': 90,
  'real/linux-disk.test.js': 80,
  'snapshot/live/disk.test.js': 65,
  'debug/replay.test.js': 60,
  'runner/halted.test.js': 60,
  'snapshot/rollback.test.js': 55,
  'debug/travel/traveler.test.js': 50,
  'snapshot/restore.test.js': 50,
  'runner/pause.test.js': 50,
  'snapshot/fidelity/threads.test.js': 45,
  'tools/learn/matrix.test.js': 45,
  'snapshot/fork-pool.test.js': 40,
  'snapshot/fidelity/guests.test.js': 40,
  'snapshot/fidelity/cycles.test.js': 40,
  'debug/seek.test.js': 40,
  'runner/ends.test.js': 40,
  'snapshot/fidelity/abc.test.js': 40,
  'runner/leaks.test.js': 35,
  'snapshot/cache.test.js': 30,
  'snapshot/on-demand-damage.test.js': 30,
  'machine/leaks.test.js': 25,
  'snapshot/ended.test.js': 25,
  'bios/checkpoint.test.js': 25,
  'runner/serial.test.js': 20,
  'debug/stops/clean.test.js': 20,
  'snapshot/session.test.js': 20,
  'snapshot/tsc.test.js': 20,
  'debug/blame.test.js': 20,
  'snapshot/failed-checkpoint.test.js': 15,
  'devices/own.test.js': 12,
  'bios/services.test.js': 12,
  'runner/fault.test.js': 10,
  'snapshot/msrs.test.js': 10,
  'snapshot/screen.test.js': 10,
};
const USUAL_SECONDS = 3;

/** From here on, files take turns. */
const LONG_SECONDS = 30;

const weight = (file: string) => SECONDS[file] ?? USUAL_SECONDS;

/** The files of a day, and those of the other ({@link byTurn}). */
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
