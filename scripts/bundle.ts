/**
 * `npm run build`, last part: the command line as few files, in dist/tools/bin, and the code of a vCPU thread as one.
 * Loading three hundred modules one by one takes Node 20 longer than all the rest of its start.
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

/** The command line and its threads, which share what both need. */
const COMMAND = {
  folder: 'tools/bin',
  entries: {
    vmlapse: 'tools/cli/main.js',
    'worker.bundle': 'src/runner/threads/worker.js',
    'io-worker': 'src/runner/threads/io-worker.js',
    'writer-worker': 'snapshot/live/writer-worker.js',
  },
};
/** The vCPU thread of the library. */
const THREAD = { folder: 'src/runner/threads', entries: { 'worker.bundle': 'src/runner/threads/worker.js' } };

/** Bundles what is compiled in `dist`. Files that stay as they are stay untouched: a process may be reading them. */
export async function bundle(dist: string): Promise<void> {
  const made = new Set(await write(dist, COMMAND));
  const folder = join(dist, COMMAND.folder);
  for (const old of readdirSync(folder)) if (!made.has(old)) rmSync(join(folder, old));
  chmodSync(join(folder, 'vmlapse.js'), 0o755);
  await write(dist, THREAD);
}

/** Writes one bundle. Returns the names of its files. */
async function write(dist: string, { folder, entries }: typeof COMMAND | typeof THREAD): Promise<string[]> {
  const input = Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(dist, file)]));
  const build = await rolldown({ input, platform: 'node', external: (id) => !/^[./]/.test(id) });
  const { output } = await build.generate({ format: 'esm', minifyInternalExports: false });
  await build.close();
  mkdirSync(join(dist, folder), { recursive: true });
  for (const file of output) if (file.type === 'chunk') put(join(dist, folder, file.fileName), file.code);
  return output.map((file) => file.fileName);
}

function put(path: string, code: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === code) return;
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL('..', import.meta.url)));
