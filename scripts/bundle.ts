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
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChunkingContext, type CodeSplittingGroup, rolldown } from 'rolldown';

/** The command line. */
const COMMAND = 'tools/cli/executable.js';
/**
 * The files of the command line that several commands share, few, as to load one takes Node 20 about a millisecond. Each has what all
 * of its modules need, itself or through others, and the files before it do not have.
 */
const COMMAND_LAYERS: readonly (readonly [name: string, ...modules: string[]])[] = [
  ['first', 'tools/cli/code-cache.js'],
  ['start', 'tools/cli/main.js'],
  ['common', 'tools/cli/commands/log.js', 'tools/cli/commands/run.js'],
  ['store', 'tools/cli/commands/log.js'],
  ['machine', 'tools/cli/commands/run.js', 'tools/cli/commands/restore.js'],
  ['machine', 'tools/cli/commands/run.js', 'tools/cli/commands/store.js'],
  ['restore', 'tools/cli/commands/restore.js'],
  ['run', 'tools/cli/commands/run.js'],
];
/** The programs of threads, a file each. */
const THREADS = {
  'worker.bundle': 'src/runner/threads/worker.js',
  'io-worker': 'src/runner/threads/io-worker.js',
  'writer-worker': 'snapshot/live/writer-worker.js',
  'page-server': 'snapshot/on-demand/page-server.js',
};

/** Packages that are bundled too: files of which each would be loaded by itself. Others stay what the user has installed. */
const CONTAINED: readonly string[] = ['commander'];

/** The program of the page of `vmlapse view`, for a browser: TypeScript as it is, with its library. */
const PAGE = { source: 'tools/view/page/main.tsx', file: 'tools/view/page.js' };

/** Bundles what is compiled in `dist`. Files that stay as they are stay untouched: a process may be reading them. */
export async function bundle(dist: string): Promise<void> {
  const folder = join(dist, 'tools/bin');
  const made = new Set(await write(dist, folder, { vmlapse: COMMAND }, layersOf(dist)));
  for (const [name, file] of Object.entries(THREADS))
    for (const one of await write(dist, folder, { [name]: file })) made.add(one);
  for (const old of readdirSync(folder)) if (!made.has(old)) rmSync(join(folder, old));
  chmodSync(join(folder, 'vmlapse.js'), 0o755);
  await write(dist, join(dist, 'src/runner/threads'), { 'worker.bundle': THREADS['worker.bundle'] });
  await writePage(dist);
}

/** One file that can stand inside a page. */
async function writePage(dist: string): Promise<void> {
  const build = await rolldown({
    input: join(dist, '..', PAGE.source),
    platform: 'browser',
    tsconfig: join(dist, '..', dirname(PAGE.source), 'tsconfig.json'),
  });
  const { output } = await build.generate({ format: 'esm', minify: true, codeSplitting: false });
  await build.close();
  const { code } = output[0];
  if (/<\/script|<!--/i.test(code)) throw new Error(`${PAGE.source}: the bundle would end the page's script element`);
  put(join(dist, PAGE.file), `${noticeOf(dist, 'preact')}\n${code}`);
}

/** What a file has to say that contains a package. */
const noticeOf = (dist: string, name: string): string =>
  `/* Contains ${name}:\n${readFileSync(join(dist, '..', 'node_modules', name, 'LICENSE'), 'utf8')}*/`;

/** The shared files, and which modules each has. So a file needs only those before it, and no two wait for each other. */
function layersOf(dist: string): CodeSplittingGroup[] {
  const layers = new Map<string, string>();
  const layerOf = (id: string, context: ChunkingContext) => {
    if (layers.size === 0) {
      for (const [layer, ...modules] of COMMAND_LAYERS) {
        const [needed, ...others] = modules.map((module) => neededBy(join(dist, module), context));
        for (const module of needed!)
          if (!layers.has(module) && others.every((other) => other.has(module))) layers.set(module, layer);
      }
    }
    return layers.get(id);
  };
  const names = [...new Set(COMMAND_LAYERS.map(([name]) => name))];
  return names.map((layer, index) => ({
    name: (id, context) => (layerOf(id, context) === layer ? layer : null),
    debugName: layer,
    priority: names.length - index,
  }));
}

/** A module, and all that it imports, itself or through others. */
function neededBy(id: string, context: ChunkingContext, found = new Set<string>()): Set<string> {
  if (found.has(id)) return found;
  found.add(id);
  for (const imported of context.getModuleInfo(id)?.importedIds ?? []) neededBy(imported, context, found);
  return found;
}

/** Writes one bundle into a folder. Returns the names of its files. */
async function write(
  dist: string,
  folder: string,
  entries: Record<string, string>,
  shared?: CodeSplittingGroup[],
): Promise<string[]> {
  const input = Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(dist, file)]));
  const external = (id: string) => !/^[./]/.test(id) && !CONTAINED.includes(id);
  const build = await rolldown({ input, platform: 'node', external });
  const { output } = await build.generate({
    format: 'esm',
    minifyInternalExports: false,
    banner: ({ moduleIds }) =>
      CONTAINED.filter((name) => moduleIds.some((id) => id.includes(`/node_modules/${name}/`)))
        .map((name) => noticeOf(dist, name))
        .join('\n'),
    comments: { legal: true, annotation: true, jsdoc: false },
    codeSplitting: shared ? { groups: shared } : true,
  });
  await build.close();
  mkdirSync(folder, { recursive: true });
  const chunks = withoutDetours(output.filter((file) => file.type === 'chunk'));
  for (const { fileName, code } of chunks) put(join(folder, fileName), code);
  return chunks.map(({ fileName }) => fileName);
}

/** A file that only passes on what another one exports: rolldown makes it where a module of a shared file is imported later. */
const DETOUR = /^export \{ [\w, ]+ \} from "(\.\/[^"]+)";\s*$/;
const LATER = /(?<=\bimport\(")\.\/[^"]+(?="\))/g;

/** The files but for those that only pass on: what imports them later imports the other one. */
function withoutDetours(files: readonly { readonly fileName: string; readonly code: string }[]) {
  const targets = new Map<string, string>();
  for (const { fileName, code } of files) {
    const target = DETOUR.exec(code)?.[1];
    if (target !== undefined) targets.set(`./${fileName}`, target);
  }
  return files
    .filter(({ fileName }) => !targets.has(`./${fileName}`))
    .map(({ fileName, code }) => ({ fileName, code: code.replace(LATER, (path) => targets.get(path) ?? path) }));
}

function put(path: string, code: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === code) return;
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL('..', import.meta.url)));
