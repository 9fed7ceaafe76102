import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  importsOf,
  LAYERS,
  LINE_LIMIT,
  longFiles,
  MEDIAN_LIMIT,
  medianLength,
  placeOf,
  printing,
  type Sources,
  withoutComments,
  wrongArrows,
} from './support/architecture.ts';

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!readdirSync(folder).includes('package.json')) folder = dirname(folder);
  return folder;
}

function read(...folders: string[]): Sources {
  const root = projectRoot();
  const files = folders.flatMap((folder) => {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts')).map((name) => `${folder}/${name}`);
  });
  // Programs of exercises are what learners edit: they print, and none of our code imports them.
  const ours = files.filter((file) => !/^exercises\/.*\/program\.ts$/.test(file));
  return new Map(ours.sort().map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

const readFiles = (...files: string[]): Sources =>
  new Map(files.map((file) => [file, readFileSync(join(projectRoot(), file), 'utf8')]));

const sources = new Map([
  ...read('src', 'loaders', 'snapshot', 'debug', 'guests', 'exercises', 'tools'),
  ...readFiles('index.ts'),
]);
const withScripts = new Map([...sources, ...read('bench')]);
const made = (files: Record<string, string>): Sources => new Map(Object.entries(files));

describe('the project', () => {
  it('is read', () => {
    expect(sources.size).toBeGreaterThan(100);
    expect([...sources.keys()]).toEqual(
      expect.arrayContaining(['src/errors.ts', 'src/kvm/vcpu.ts', 'loaders/index.ts']),
    );
  });

  it('has only arrows that point down', () => {
    expect(wrongArrows(withScripts)).toEqual([]);
  });

  it('prints in tools/cli only', () => {
    expect(printing(withScripts)).toEqual([]);
  });

  it(`keeps files under ${LINE_LIMIT} lines`, () => {
    expect(longFiles(withScripts)).toEqual([]);
  });

  it(`has a median below ${MEDIAN_LIMIT} lines (${medianLength(sources)} now)`, () => {
    expect(medianLength(sources)).toBeLessThan(MEDIAN_LIMIT);
  });
});

describe('the table of layers', () => {
  it('goes from the bottom up: each row uses only rows above it in the table', () => {
    LAYERS.forEach(({ place, uses, types = [] }, row) => {
      const earlier = LAYERS.slice(0, row).map((layer) => layer.place);
      expect(earlier, place).toEqual(expect.arrayContaining([...uses, ...types]));
    });
  });

  it('has a place for each file', () => {
    expect(placeOf('src/errors.ts')).toBe('src/errors.ts');
    expect(placeOf('src/kvm/vm.ts')).toBe('src/kvm');
    expect(placeOf('tools/cli/commands/run.ts')).toBe('tools/cli');
    expect(placeOf('index.ts')).toBe('index.ts');
    expect(placeOf('loaders/elf/load.ts')).toBe('loaders');
    expect(placeOf('src/somewhere/new.ts')).toBeUndefined();
  });
});

describe('an import', () => {
  const text = `
    import { a } from './a.ts';
    import type { B } from '../b/b.ts';
    import { type C, type D } from './c.ts';
    import {
      type E,
      f,
    } from './f.ts';
    export { g } from './g.ts';
    export type * from './h.ts';
    import './i.ts';
    import koffi from 'koffi';
    const later = await import('./j.ts');
    // import { no } from './no.ts';
    /* import { no } from './no.ts'; */
    const glob = 'src/**/x'; import { k } from './k.ts';`;

  it('is found in each of its forms, and not in comments', () => {
    const found = importsOf('src/x/file.ts', text);
    const rows = found.map(({ to, typesOnly }) => `${to}${typesOnly ? ' (types)' : ''}`);
    expect(rows.sort()).toEqual([
      'koffi',
      'src/b/b.ts (types)',
      'src/x/a.ts',
      'src/x/c.ts (types)',
      'src/x/f.ts',
      'src/x/g.ts',
      'src/x/h.ts (types)',
      'src/x/i.ts',
      'src/x/j.ts',
      'src/x/k.ts',
    ]);
  });

  it('of every file of the project is found by a plain search, too', () => {
    const plain = [...sources.values()].join('\n').match(/^(import|export|\}) .*from '\.[^']*';$/gm) ?? [];
    const found = [...sources].flatMap(([file, content]) => importsOf(file, content));
    const ours = found.filter(({ to }) => sources.has(to) || to.endsWith('.d.ts'));
    expect(ours.length).toBeGreaterThanOrEqual(plain.length);
    expect(plain.length).toBeGreaterThan(400);
  });

  it('is looked for where strings end, whatever they hold', () => {
    expect(withoutComments("const a = 'http://x'; // gone\nconst b = `/* stays */`; /* gone */")).toBe(
      "const a = 'http://x'; \nconst b = `/* stays */`; ",
    );
  });
});

describe('the linter', () => {
  const found = (files: Record<string, string>) => {
    const folder = mkdtempSync(join(projectRoot(), 'tools', 'lint-'));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const biome = join(projectRoot(), 'node_modules', '.bin', 'biome');
      const { stdout, stderr } = spawnSync(biome, ['lint', '--reporter=github', folder], { encoding: 'utf8' });
      return [...`${stdout}${stderr}`.matchAll(/lint\/\w+\/(\w+)/g)].map(([, rule]) => rule);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it('finds a cycle, also of types alone, koffi outside src/ffi, and console', () => {
    const files = {
      'a.ts': "export type { B as A } from './b.ts';\n",
      'b.ts': "export type { A as B } from './a.ts';\n",
      'c.ts': "import koffi from 'koffi';\n\nkoffi.view(0, 1);\n",
      'd.ts': 'console.log(1);\n',
      'e.ts': 'export const e = 1;\n',
    };
    const rules = ['noConsole', 'noImportCycles', 'noImportCycles', 'noRestrictedImports'];
    expect(found(files).sort()).toEqual(rules);
  });
});

describe('a violation is found:', () => {
  it.each([
    ['an arrow up', { 'src/kvm/vm.ts': "import { m } from '../machine/machine.ts';", 'src/machine/machine.ts': '' }],
    ['an arrow sideways', { 'src/memory/a.ts': "import { k } from '../kvm/kvm.ts';", 'src/kvm/kvm.ts': '' }],
    ['a type that points up', { 'src/abi/a.ts': "import type { K } from '../kvm/kvm.ts';", 'src/kvm/kvm.ts': '' }],
    ['a re-export', { 'src/abi/a.ts': "export * from '../kvm/kvm.ts';", 'src/kvm/kvm.ts': '' }],
    ['an import made later', { 'src/abi/a.ts': "await import('../kvm/kvm.ts')", 'src/kvm/kvm.ts': '' }],
    [
      'loaders that run code of the machine',
      { 'loaders/a.ts': "import { m } from '../src/machine/m.ts';", 'src/machine/m.ts': '' },
    ],
    ['loaders that know KVM', { 'loaders/a.ts': "import type { K } from '../src/kvm/kvm.ts';", 'src/kvm/kvm.ts': '' }],
    [
      'snapshot that knows loaders',
      { 'snapshot/a.ts': "import type { L } from '../loaders/l.ts';", 'loaders/l.ts': '' },
    ],
    [
      'snapshot that knows the CLI',
      { 'snapshot/a.ts': "import { c } from '../tools/cli/c.ts';", 'tools/cli/c.ts': '' },
    ],
    ['errors that know anything', { 'src/errors.ts': "import { a } from './abi/a.ts';", 'src/abi/a.ts': '' }],
  ])('%s', (_what, files) => {
    const [from, to] = Object.keys(files);
    expect(wrongArrows(made(files))).toEqual([expect.stringMatching(`^${from} imports ${to}: .* may only use `)]);
  });

  it('a folder that no layer has', () => {
    expect(wrongArrows(made({ 'src/new/a.ts': '' }))).toEqual([expect.stringContaining('src/new/a.ts: belongs to no')]);
  });

  it('and what is allowed is not', () => {
    const files = {
      'tools/cli/run.ts': "import { load } from '../../loaders/index.ts';",
      'loaders/index.ts': "import type { E } from '../src/machine/entry.ts';",
      'src/machine/entry.ts': "import { k } from '../kvm/kvm.ts';",
      'src/kvm/kvm.ts': "import { E } from '../errors.ts'; import fs from 'node:fs';",
      'src/errors.ts': '',
    };
    expect(wrongArrows(made(files))).toEqual([]);
  });

  it('printing elsewhere', () => {
    const files = {
      'tools/cli/a.ts': "process.stdout.write('x')",
      'src/runner/a.ts': "process.stdout.write('x')",
      'snapshot/a.ts': 'const e = process.stderr;',
      'src/kvm/a.ts': '/** process.stdout */',
    };
    expect(printing(made(files))).toEqual(['src/runner/a.ts: process.stdout', 'snapshot/a.ts: process.stderr']);
  });

  it('a long file, with its length', () => {
    const files = { 'a.ts': 'x\n'.repeat(LINE_LIMIT), 'b.ts': 'x\n'.repeat(LINE_LIMIT + 1), 'c.ts': 'x\n'.repeat(999) };
    expect(longFiles(made(files))).toEqual([
      { file: 'c.ts', lines: 999 },
      { file: 'b.ts', lines: LINE_LIMIT + 1 },
    ]);
  });
});
