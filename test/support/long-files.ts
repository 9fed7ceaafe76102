/** Which tests `npm test` leaves to `npm run test:long`. */

const path = (name: string) => `dist/test/${name}`;

/** Files: each takes many seconds, and what they test has shorter tests beside. One alone: npm run test:long -- -t NAME. */
export const LONG_FILES: readonly string[] = [
  'bench/floors.test.js',
  'bench/qemu.test.js',
  'docs/api.test.js',
  'package/missing-parts.test.js',
  'snapshot/fidelity/cycles.test.js',
  'snapshot/fidelity/threads.test.js',
  'snapshot/store/bomb.test.js',
  'snapshot/store/crash.test.js',
  'snapshot/store/disk-errors.test.js',
  'snapshot/store/unlocked.test.js',
  'soak/pauses.test.js',
  'tools/cli/asked.test.js',
  'tools/testing/pools.test.js',
].map(path);

/** Files of which some tests run only there. */
export const PARTLY_LONG: readonly string[] = [
  'real/checkpoint.test.js',
  'real/guests.test.js',
  'real/linux-disk.test.js',
  'tools/control/ends.test.js',
].map(path);

/** Files that are longer with VMLAPSE_LONG=1, too long for every day. */
export const BY_HAND: readonly string[] = [
  'snapshot/disk.test.js',
  'snapshot/fidelity/guests.test.js',
  'snapshot/live/disk.test.js',
  'snapshot/live/invariants.test.js',
].map(path);
