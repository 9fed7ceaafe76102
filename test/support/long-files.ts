/** Which tests `npm test` leaves to `npm run test:long`. */

const path = (name: string) => `dist/test/${name}`;

/** Files: each takes many seconds, and what they test has shorter tests beside. One alone: npm run test:long -- -t NAME. */
export const LONG_FILES: readonly string[] = [
  'bench/floors.test.js',
  'bench/qemu.test.js',
  'docs/api.test.js',
  'package/missing-parts.test.js',
  'package/package.test.js',
  'snapshot/cache-command.test.js',
  'snapshot/command.test.js',
  'snapshot/fidelity/cycles.test.js',
  'snapshot/fidelity/threads.test.js',
  'snapshot/fork-command.test.js',
  'snapshot/store/bomb.test.js',
  'snapshot/store/crash.test.js',
  'snapshot/store/disk-errors.test.js',
  'snapshot/store/unlocked.test.js',
  'soak/pauses.test.js',
  'tools/cli-store/record.test.js',
  'tools/cli/asked.test.js',
  'tools/cli/screen.test.js',
  'tools/cli/terminal.test.js',
  'tools/cli/trace-more.test.js',
  'tools/learn/command.test.js',
  'tools/learn/matrix.test.js',
  'tools/learn/programs.test.js',
  'tools/learn/recording.test.js',
  'tools/testing/pools.test.js',
  'tools/view/blame.test.js',
  'tools/view/browser.test.js',
  'tools/view/hostile.test.js',
  'tools/view/live.test.js',
  'tools/view/steps-page.test.js',
  'tools/view/thousand.test.js',
].map(path);

/** Files of which some tests run only there. */
export const PARTLY_LONG: readonly string[] = [
  'real/checkpoint.test.js',
  'real/guests.test.js',
  'real/linux-disk.test.js',
  'support/left-over.test.js',
  'tools/control/ends.test.js',
  'tools/trace/page.test.js',
].map(path);

/** Files that are longer with VMLAPSE_LONG=1, too long for every day. */
export const BY_HAND: readonly string[] = [
  'snapshot/disk.test.js',
  'snapshot/fidelity/guests.test.js',
  'snapshot/live/disk.test.js',
  'snapshot/live/invariants.test.js',
].map(path);
