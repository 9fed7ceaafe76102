/**
 * The rules of ARCHITECTURE.md as pure functions over a map of file -> source text, so that each rule can be shown to
 * fail. A finding is a line that says what is wrong, where, and what the rule is. Cycles, koffi and console are the
 * linter's (biome.json), which sees an import as it is written, not the layer it leads to.
 */
import { dirname, join } from 'node:path';

/** Source text by path relative to the project. */
export type Sources = ReadonlyMap<string, string>;

/** An import of another file of the project, or of a package. */
interface Import {
  readonly from: string;
  /** Path relative to the project, or a package name. */
  readonly to: string;
  /** Erased by the compiler: nothing of it is there when the program runs. */
  readonly typesOnly: boolean;
}

const CHECKS = ['src/errors.ts', 'src/options.ts', 'src/arguments.ts'];
const BASE = [...CHECKS, 'src/abi', 'src/ffi'];
const KERNEL = [...BASE, 'src/kvm', 'src/memory', 'src/devices', 'src/disk'];
const MACHINE = [...KERNEL, 'src/files', 'src/bios', 'src/machine', 'src/runner'];

/** Each place of the project, from the bottom up, and what it may import besides itself. */
export const LAYERS: readonly {
  readonly place: string;
  readonly uses: readonly string[];
  readonly types?: string[];
}[] = [
  { place: 'src/errors.ts', uses: [] },
  { place: 'src/options.ts', uses: ['src/errors.ts'] },
  { place: 'src/arguments.ts', uses: ['src/errors.ts', 'src/options.ts'] },
  { place: 'src/abi', uses: [] },
  { place: 'src/ffi', uses: ['src/errors.ts'] },
  { place: 'src/kvm', uses: BASE },
  { place: 'src/memory', uses: BASE },
  { place: 'src/files', uses: [] },
  { place: 'src/disk', uses: [...BASE, 'src/files', 'src/memory'] },
  { place: 'src/devices', uses: [...BASE, 'src/disk'] },
  { place: 'src/bios', uses: KERNEL },
  { place: 'src/machine', uses: KERNEL },
  { place: 'src/runner', uses: [...KERNEL, 'src/bios', 'src/machine'] },
  { place: 'loaders', uses: [...BASE, 'src/memory', 'src/disk', 'src/bios'], types: ['src/machine'] },
  { place: 'guests', uses: CHECKS },
  { place: 'snapshot', uses: MACHINE },
  { place: 'debug', uses: [...MACHINE, 'loaders', 'snapshot'] },
  { place: 'index.ts', uses: [...MACHINE, 'loaders', 'snapshot', 'debug'] },
  { place: 'tools/screen', uses: [...MACHINE, 'snapshot'] },
  { place: 'tools/view', uses: [...MACHINE, 'snapshot', 'debug', 'tools/screen'] },
  { place: 'tools/trace', uses: [...BASE, 'src/kvm', 'snapshot', 'tools/view'] },
  { place: 'tools/control', uses: ['src/errors.ts', 'src/ffi'] },
  { place: 'tools/gdb', uses: [...MACHINE, 'snapshot', 'debug'] },
  { place: 'tools/testing', uses: [...MACHINE, 'loaders', 'snapshot', 'debug', 'tools/screen'] },
  { place: 'exercises', uses: [...BASE, 'loaders', 'guests'] },
  { place: 'tools/learn', uses: [...BASE, 'src/files', 'src/kvm', 'loaders', 'snapshot', 'guests', 'exercises'] },
  {
    place: 'tools/cli',
    uses: [
      ...[...MACHINE, 'loaders', 'snapshot', 'debug', 'guests'],
      ...['tools/control', 'tools/gdb', 'tools/screen', 'tools/learn', 'tools/trace', 'tools/view'],
    ],
  },
  {
    place: 'bench',
    uses: [
      ...[...MACHINE, 'loaders', 'snapshot', 'debug', 'guests', 'index.ts'],
      ...['tools/control', 'tools/testing', 'tools/cli'],
    ],
  },
];

/** Longest file, in lines. Above this it holds more than one idea. */
export const LINE_LIMIT = 400;

/** What the length of the file in the middle stays below, so that most files are read at one glance or two. */
export const MEDIAN_LIMIT = 90;

const CONSOLE_ALLOWED = /^(tools\/cli\/|guests\/build\.ts$|bench\/|test\/)/;
const CODE_TO_KEEP = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/.*$/gm;
const IMPORT =
  /(?:^|[;\n])\s*(import|export)\s+(type\s+)?([^'"`;()]*?from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

/** Source text without its comments; strings stay. */
export const withoutComments = (text: string): string => text.replace(CODE_TO_KEEP, (_, string) => string ?? '');

/** What a file imports, re-exports and loads later. */
export function importsOf(file: string, text: string): Import[] {
  return [...withoutComments(text).matchAll(IMPORT)].map(([, , type, names, statically, dynamically]) => {
    const target = statically ?? dynamically ?? '';
    const to = target.startsWith('.') ? join(dirname(file), target) : target;
    return { from: file, to, typesOnly: type !== undefined || onlyTypes(names) };
  });
}

/** `{ type A, type B } from`: every name is a type. */
function onlyTypes(names: string | undefined): boolean {
  const list = /^\{([^}]*)\}\s*from\s*$/.exec(names?.trim() ?? '')?.[1];
  const each = list?.split(',').filter((name) => name.trim() !== '') ?? [];
  return each.length > 0 && each.every((name) => /^\s*type\s/.test(name));
}

/** The place a file belongs to: a file or folder of {@link LAYERS}. */
export function placeOf(file: string): string | undefined {
  const [top, second, ...rest] = file.split('/');
  if (LAYERS.some((layer) => layer.place === file)) return file;
  const place = (top === 'src' || top === 'tools') && rest.length > 0 ? `${top}/${second}` : top;
  return LAYERS.find((layer) => layer.place === place)?.place;
}

const allImports = (sources: Sources) => [...sources].flatMap(([file, text]) => importsOf(file, text));

/** Imports that point up or sideways, and files that belong to no layer. */
export function wrongArrows(sources: Sources): string[] {
  const inProject = allImports(sources).filter(({ to }) => sources.has(to) || to.includes('/../'));
  const homeless = [...sources.keys()].filter((file) => placeOf(file) === undefined);
  return [
    ...homeless.map((file) => `${file}: belongs to no layer; add its folder to LAYERS`),
    ...inProject.flatMap((arrow) => wrongArrow(arrow) ?? []),
  ];
}

function wrongArrow({ from, to, typesOnly }: Import): string | undefined {
  const [source, target] = [placeOf(from), placeOf(to)];
  const layer = LAYERS.find(({ place }) => place === source);
  if (!layer || target === source) return undefined;
  const allowed = [...layer.uses, ...(typesOnly ? (layer.types ?? []) : [])];
  if (target !== undefined && allowed.includes(target)) return undefined;
  const types = layer.types?.length ? `, and types from ${layer.types.join(', ')}` : '';
  return `${from} imports ${to}: ${source} may only use ${layer.uses.join(', ') || 'nothing'}${types}`;
}

/** Files that write to the streams of the process, other than those whose business it is. The linter finds console. */
export function printing(sources: Sources): string[] {
  const prints = /\bprocess\s*\.\s*(stdout|stderr)\b/;
  return [...sources].flatMap(([file, text]) => {
    const found = prints.exec(withoutComments(text))?.[0];
    return found && !CONSOLE_ALLOWED.test(file) ? `${file}: ${found}` : [];
  });
}

/** The length in the middle, when files are sorted by their lines. */
export function medianLength(sources: Sources): number {
  const lengths = [...sources.values()].map((text) => text.split('\n').length - 1).sort((a, b) => a - b);
  return lengths[lengths.length >> 1]!;
}

/** Files above {@link LINE_LIMIT}, with their length; longest first. */
export function longFiles(sources: Sources, limit = LINE_LIMIT): { file: string; lines: number }[] {
  const lengths = [...sources].map(([file, text]) => ({ file, lines: text.replace(/\n$/, '').split('\n').length }));
  return lengths.filter(({ lines }) => lines > limit).sort((a, b) => b.lines - a.lines);
}
