/** `npm run test:long [-- OPTIONS…]`: the tests that `npm test` leaves out, as they take minutes. Options are vitest's. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LONG_FILES, PARTLY_LONG } from '../test/support/long-files.ts';
import { byTurn, TODAY } from '../test/support/turn.ts';

const VITEST = fileURLToPath(new URL('./vitest.mjs', import.meta.resolve('vitest/package.json')));
const { taken, left } = byTurn([...LONG_FILES, ...PARTLY_LONG], TODAY);
for (const file of left) console.log(`not today: ${file} (long files take turns, a third of them on a day)`);
const args = [VITEST, 'run', ...taken, ...process.argv.slice(2)];
const env = { ...process.env, VMLAPSE_LONG: '1' };
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1;
