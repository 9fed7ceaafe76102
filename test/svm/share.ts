/** Shares test files out to several hosts, the long ones first, each to the host with the least to do. */

/** Rough seconds on an emulated processor, of files that take much longer than the others. */
const SECONDS: Readonly<Record<string, number>> = {
  'real/guests.test.js': 170,
  'real/linux-disk.test.js': 120,
  'debug/seek.test.js': 180,
  'debug/replay.test.js': 120,
  'debug/blame.test.js': 60,
  'boot/guests.test.js': 90,
  'runner/halted.test.js': 70,
  'runner/ends.test.js': 70,
  'snapshot/fidelity/cycles.test.js': 60,
  'runner/pause.test.js': 50,
  'snapshot/ended.test.js': 50,
  'snapshot/failed-checkpoint.test.js': 50,
  'snapshot/live/session.test.js': 50,
  'snapshot/live/invariants.test.js': 50,
  'snapshot/fidelity/threads.test.js': 50,
  'snapshot/rollback.test.js': 50,
  'runner/leaks.test.js': 45,
  'snapshot/restore.test.js': 40,
  'snapshot/fork.test.js': 40,
  'runner/serial.test.js': 40,
  'devices/own.test.js': 30,
  'machine/leaks.test.js': 30,
  'snapshot/fidelity/abc.test.js': 30,
  'snapshot/fidelity/guests.test.js': 25,
  'snapshot/fidelity/exact-points.test.js': 25,
  'snapshot/fork-memory.test.js': 20,
  'machine/modes.test.js': 20,
  'runner/stop-points.test.js': 20,
  'runner/fault.test.js': 12,
  'memory/page-walk.test.js': 10,
  'golden/golden.test.js': 10,
  'kvm/msr-list.test.js': 10,
};
const USUAL_SECONDS = 3;

const weight = (file: string) => SECONDS[file] ?? USUAL_SECONDS;

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
