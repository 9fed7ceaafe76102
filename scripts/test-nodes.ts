/**
 * `npm run test:nodes [-- VERSION… FILTER…]`: the built tests on each supported version of Node, fetched from the npm
 * registry where it is not the one at hand. Without a filter the whole suite runs; `-- 24 kvm loaders` is a part of it.
 * The one native addon is Node-API, so one installation serves every version.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VITEST = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
const SUPPORTED = ['20', '22', '24'];

/** Runs the tests on the newest Node of a major version; the exit status of vitest. */
function testOn(major: string, filters: readonly string[]): number {
  const here = process.versions.node.split('.')[0] === major;
  const node = here ? [process.execPath] : ['npx', '--yes', '--package', `node@${major}`, 'node'];
  const [command = '', ...args] = [...node, VITEST, 'run', ...filters.map((filter) => join('dist', 'test', filter))];
  console.log(`== Node ${major}${here ? ` (${process.version}, at hand)` : ''}`);
  return spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
}

const words = process.argv.slice(2);
const wanted = words.filter((word) => SUPPORTED.includes(word));
const filters = words.filter((word) => !SUPPORTED.includes(word));
const results = (wanted.length > 0 ? wanted : SUPPORTED).map((major) => ({ major, status: testOn(major, filters) }));

for (const { major, status } of results) console.log(`Node ${major}: ${status === 0 ? 'passed' : 'FAILED'}`);
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1;
