/** The installed package where a native part of a dependency is missing: what needs none works, the rest says the cure. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../snapshot/store/store.ts';
import { commitMadeUp, pageWith } from '../snapshot/show/made-up.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const GUEST = join(ROOT, 'guests', 'build', 'hello-long.elf');
const NEW_NODE = Number(process.versions.node.split('.')[0]) >= 22;

let folder: string;
let store: string;
/** The unpacked package; each test lays out the dependencies that it is to find. */
let main: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmlapse-missing-'));
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const installed = join(folder, 'node_modules', 'vmlapse');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
  main = join(installed, 'dist', 'tools', 'bin', 'vmlapse.js');
  store = join(folder, 'store');
  using opened = openStore(store, { create: true });
  const parent = commitMadeUp(opened, {}, new Map([[0x1000, pageWith({ 1: [1] })]]));
  commitMadeUp(opened, {}, new Map([[0x1000, pageWith({ 1: [2] })]]), { parent });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Links all packages of the checkout but those named; they are left out, or copied without what is built. */
function dependencies(without: string, change: (modules: string) => void): void {
  const modules = join(folder, 'node_modules');
  for (const name of readdirSync(modules))
    if (name !== 'vmlapse') rmSync(join(modules, name), { recursive: true, force: true });
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== without && name !== 'vmlapse' && !name.startsWith('.'))
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  change(modules);
}

function run(...args: string[]) {
  const options = { cwd: folder, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } } as const;
  return spawnSync(process.execPath, [main, ...args], options);
}

function expectOneLine({ status, stderr }: ReturnType<typeof run>, message: RegExp) {
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(status).toBeGreaterThan(0);
}

describe('without the native part of koffi', () => {
  beforeAll(() =>
    dependencies('koffi', (modules) => {
      rmSync(join(modules, '@koromix'), { recursive: true, force: true });
      cpSync(join(ROOT, 'node_modules', 'koffi'), join(modules, 'koffi'), { recursive: true });
    }),
  );

  it.each([
    [['--help']],
    [['inspect', GUEST]],
    [['log']],
    [['show', 'latest']],
    [['verify']],
    [['diff', 'latest~1', 'latest']],
    [['ps']],
    [['complete', 'bash']],
    [['ioctls']],
    [['trace', '--lesson', '4', '--json']],
  ])('%j works', ([command = '', ...args]) => {
    const reads = ['log', 'show', 'verify', 'diff'].includes(command);
    const { status, stderr } = run(command, ...(reads ? ['--store', store] : []), ...args);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it.each([[['info']], [['run', GUEST]]])('%j says the cure', (args) =>
    expectOneLine(run(...args), /the native part of koffi is missing.*npm install/),
  );

  it('gc, which has to lock the store, says the cure', () =>
    expectOneLine(run('gc', '--store', store), /the native part of koffi is missing.*write to a store.*npm install/));
});

describe('on a system without glibc', () => {
  beforeAll(() =>
    dependencies('koffi', (modules) => {
      mkdirSync(join(modules, 'koffi'));
      writeFileSync(join(modules, 'koffi', 'package.json'), '{"main":"index.cjs"}');
      writeFileSync(
        join(modules, 'koffi', 'index.cjs'),
        'exports.load = () => { throw new Error("Failed to load shared library"); };',
      );
    }),
  );

  it.each([[['info']], [['run', GUEST]]])('%j says that glibc is needed', (args) =>
    expectOneLine(run(...args), /needs glibc/),
  );
});

describe.skipIf(NEW_NODE)('without the native part of zstd-napi, and without the zstd of a newer Node', () => {
  beforeAll(() => dependencies('zstd-napi', () => {}));

  it.each([
    ['--checkpoint-at', 'end'],
    ['--every', '1s'],
    ['--name', 'without-zstd'],
  ])('a run that would keep checkpoints is refused before the guest starts: %s %s', (...asked) => {
    const outcome = run('run', '--store', join(folder, 'new'), ...asked, GUEST);
    expectOneLine(outcome, /no zstd in this process.*npm rebuild zstd-napi/);
    expect(outcome.stdout).toBe('');
  });

  it('verify does not call it damage', () => {
    const outcome = run('verify', '--store', store);
    expectOneLine(outcome, /no zstd in this process/);
    expect(outcome.stdout).toBe('');
  });

  it('log works', () => {
    expect(run('log', '--store', store).status).toBe(0);
  });
});
