/** The API reference: every public symbol has a docstring, links in them lead somewhere, and examples do what they say. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as vmlapse from '../../index.ts';
import * as snapshot from '../../snapshot/public.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { ROOT, textOf } from './pages.ts';

const API = join(ROOT, 'docs', 'api');
const TYPEDOC = join(API, 'node_modules', 'typedoc', 'bin', 'typedoc');
const PLACES = ['index.ts', 'src', 'loaders', 'snapshot', 'debug', 'tools', 'guests'];
/** Where examples are compiled: inside the package, so that they import it by its name. */
const FOLDER = join(ROOT, 'dist', 'examples');
const LIMIT_MS = scaled(120_000);

/** An `@example` of a docstring, and the declaration that it stands above. */
interface Example {
  readonly name: string;
  readonly program: string;
}

const EXAMPLE =
  /@example\n \* ```ts\n([\s\S]*?)\n \* ```\n \*\/\n\s*export (?:abstract )?(?:class|const|function) (\w+)/g;

const sources = PLACES.flatMap((place) =>
  place.endsWith('.ts')
    ? [place]
    : readdirSync(join(ROOT, place), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
        .map((file) => join(place, file)),
);

const inDocstrings: Example[] = sources.flatMap((file) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(EXAMPLE)].map(([, program, name]) => ({
    name: name!,
    program: program!.replaceAll(/^ \* ?/gm, ''),
  })),
);

const inReadme: Example[] = [...textOf('README.md').matchAll(/^```ts\n([\s\S]*?)\n```$/gm)].map(([, program], i) => ({
  name: `readme-${i + 1}`,
  program: program!,
}));

const examples = [...inDocstrings, ...inReadme];

/** Lines that an example says it prints: `console.log(…); // this`. */
const promised = (program: string) =>
  [...program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text!);

const run = promisify(execFile);

describe('the API reference', () => {
  it(
    'has a docstring for every public symbol and no broken link',
    async () => {
      expect(existsSync(TYPEDOC), 'typedoc is not installed: npm install').toBe(true);
      const args = [TYPEDOC, '--emit', 'none', '--treatWarningsAsErrors', '--logLevel', 'Warn'];
      const failed = await run(process.execPath, args, { cwd: API, env: { ...process.env, NO_COLOR: '1' } }).then(
        () => '',
        ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`,
      );
      expect(failed).toBe('');
    },
    LIMIT_MS,
  );

  it('has an example for every public class', () => {
    const isClass = (value: unknown) => typeof value === 'function' && /^class\b/.test(`${value}`);
    const isError = (value: unknown) => (value as { prototype?: unknown }).prototype instanceof vmlapse.VmlapseError;
    const classes = Object.entries({ ...vmlapse, ...snapshot }).flatMap(([name, value]) =>
      isClass(value) && !isError(value) ? [name] : [],
    );
    const named = new Set(inDocstrings.map(({ name }) => name));
    const onlyTypes = ['Checkpoint', 'Store', 'Vcpu', 'RunArea', 'Guest'];
    expect([...classes, ...onlyTypes].filter((name) => !named.has(name))).toEqual([]);
  });
});

describeKvm('an example', () => {
  let cwd = '';

  beforeAll(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    for (const { name, program } of examples) writeFileSync(join(FOLDER, `${name}.ts`), `${program}\nexport {};\n`);
    const compilerOptions = {
      noEmit: false,
      rootDir: '.',
      outDir: '.',
      noUnusedLocals: false,
      declaration: false,
      sourceMap: false,
    };
    const config = { extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'], exclude: [] };
    writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', FOLDER], { encoding: 'utf8' });
    expect(status, stdout).toBe(0);
    cwd = mkdtempSync(join(tmpdir(), 'vmlapse-examples-'));
    const main = join(ROOT, 'dist', 'tools', 'bin', 'vmlapse.js');
    const guest = join(ROOT, 'guests', 'build', 'compute.elf');
    const points = ['--checkpoint-at', 'exit:111', '--checkpoint-at', 'exit:175'];
    spawnSync(process.execPath, [main, 'run', '--quiet', '--store', 'lab', ...points, guest], { cwd });
  }, LIMIT_MS);

  afterAll(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    if (cwd) rmSync(cwd, { recursive: true, force: true });
  });

  it.each(examples)(
    'of $name runs and prints what it says',
    ({ name, program }) => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [join(FOLDER, `${name}.js`)], {
        cwd,
        encoding: 'utf8',
        timeout: LIMIT_MS,
      });
      expect(status, stderr).toBe(0);
      expect(stdout.split('\n')).toEqual(expect.arrayContaining(promised(program)));
    },
    LIMIT_MS,
  );
});
