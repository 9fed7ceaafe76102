/**
 * `npm run build`, last part: the command line with its threads as few files, in dist/tools/bin. Loading some three
 * hundred modules one by one takes Node 20 three times as long as all the rest of its start.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** By the names under which the program and its owners of threads look for them. */
const ENTRIES = {
  vmlapse: 'tools/cli/main.js',
  worker: 'src/runner/threads/worker.js',
  'writer-worker': 'snapshot/live/writer-worker.js',
};

/** Bundles what is compiled in `dist`. Files that stay as they are stay untouched: a process may be reading them. */
export async function bundle(dist: string): Promise<void> {
  const input = Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(dist, file)]));
  const build = await rolldown({ input, platform: 'node', external: (id) => !/^[./]/.test(id) });
  const { output } = await build.generate({ format: 'esm', minifyInternalExports: false });
  await build.close();
  const folder = join(dist, 'tools', 'bin');
  mkdirSync(folder, { recursive: true });
  for (const file of output) if (file.type === 'chunk') put(join(folder, file.fileName), file.code);
  const made = new Set(output.map((file) => file.fileName));
  for (const old of readdirSync(folder)) if (!made.has(old)) rmSync(join(folder, old));
  chmodSync(join(folder, 'vmlapse.js'), 0o755);
}

function put(path: string, code: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === code) return;
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL('..', import.meta.url)));
