/** The package as it would be published: packed, unpacked elsewhere, imported, type-checked and run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ENTRIES = ['vmlapse', 'vmlapse/loaders', 'vmlapse/snapshot', 'vmlapse/guests'];

let user: string;
let installed: string;
let files: string[];

beforeAll(() => {
  user = mkdtempSync(join(tmpdir(), 'vmlapse-package-'));
  installed = join(user, 'node_modules', 'vmlapse');
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', user], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename, files: listed }] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  files = listed.map(({ path }) => path);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(user, filename), '-C', installed, '--strip-components=1']);
  symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  writeFileSync(join(user, 'package.json'), '{"type":"module"}');
});

afterAll(() => {
  if (user !== undefined) rmSync(user, { recursive: true, force: true });
});

it('the build leaves the command ready to be called by its name', () => {
  const { stdout } = spawnSync(join(ROOT, 'dist', 'tools', 'bin', 'vmlapse.js'), ['--version'], { encoding: 'utf8' });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

/** Runs a program in the folder of the package's user; stdout, once it has ended with status 0. */
function node(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: user, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Compiles programs of a user who has no types but those that the package brings. */
function compiles(files: readonly string[], options: { readonly skipLibCheck: boolean; readonly lib: string[] }): void {
  const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, types: [], ...options };
  writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', user], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
}

const bin = () => {
  const { bin: names } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    bin: { vmlapse: string };
  };
  return join(installed, names.vmlapse);
};

describe('the package', () => {
  it('holds what it needs, and neither tests nor benchmarks nor build leftovers', () => {
    const needed = [
      'LICENSE',
      'README.md',
      'dist/index.d.ts',
      'dist/src/runner/threads/worker.js',
      'dist/src/runner/threads/worker.bundle.js',
      'dist/snapshot/live/writer-worker.js',
      'dist/snapshot/on-demand/page-server.js',
      'dist/tools/bin/worker.bundle.js',
      'dist/tools/bin/io-worker.js',
      'dist/tools/bin/page-server.js',
      'dist/tools/bin/writer-worker.js',
      'guests/build/hello-long.elf',
      'guests/hello/long.S',
      'docs/lessons/01-open.ts',
      'dist/tools/learn/probe.js',
      'dist/tools/learn/typescript-hook.js',
      'exercises/01-ask/program.ts',
      'exercises/01-ask/text.zh-CN.md',
      'exercises/01-ask/messages.en.json',
    ];
    expect(needed.filter((path) => !files.includes(path))).toEqual([]);
    expect(files.filter((path) => /(^|\/)(test|bench|scripts|obj)\/|\.(map|stamp|tgz)$/.test(path))).toEqual([]);
  });

  it('is imported by each of its names, and by no other', () => {
    const program = `
      for (const name of ${JSON.stringify(ENTRIES)}) console.log(name, Object.keys(await import(name)).length > 5);
      await import('vmlapse/dist/src/kvm/kvm.js').catch((error) => console.log(error.code));`;
    const expected = [...ENTRIES.map((name) => `${name} true`), 'ERR_PACKAGE_PATH_NOT_EXPORTED'];
    expect(node('--input-type=module', '-e', program).trim().split('\n')).toEqual(expected);
  });

  it('has types for each of its names', () => {
    const program = `
      import { decodeExit, type Exit, Kvm, Machine, type MachineConfig, type RunResult, runHere } from 'vmlapse';
      import { bootImage, detect, load } from 'vmlapse/loaders';
      import { openStore, restoreMachine, type LogEntry } from 'vmlapse/snapshot';
      import { GUESTS, guestPath } from 'vmlapse/guests';
      const config: MachineConfig = { memory: 2 ** 20 };
      export const run = (bytes: Uint8Array): RunResult => {
        using machine = Machine.create(config);
        bootImage(machine, load(bytes, { memoryMap: machine.memory.memoryMap }));
        return runHere(machine);
      };
      export const log = (at: string): LogEntry[] => openStore(at).log();
      export const used: readonly unknown[] = [decodeExit, Kvm, detect, restoreMachine, GUESTS, guestPath];
      // @ts-expect-error: an exit's reason is one of a closed set
      export const wrong = (exit: Exit) => exit.reason === 'NO_SUCH_EXIT';`;
    writeFileSync(join(user, 'program.ts'), program);
    writeFileSync(join(user, 'fixtures.ts'), "export { guestTest } from 'vmlapse/vitest';");
    const common = "import vmlapse = require('vmlapse'); import loaders = require('vmlapse/loaders');";
    writeFileSync(join(user, 'common.cts'), `${common} export const used = [vmlapse.Machine, loaders.load];`);
    compiles(['program.ts', 'fixtures.ts', 'common.cts'], { skipLibCheck: true, lib: ['es2023', 'esnext.disposable'] });
  });

  it('brings the types that its own need', () => {
    const names = ENTRIES.map((name, i) => `import * as m${i} from '${name}'; export const u${i} = m${i};`);
    writeFileSync(join(user, 'bare.ts'), names.join('\n'));
    writeFileSync(join(user, 'bare.cts'), "import vmlapse = require('vmlapse'); export const used = vmlapse.Machine;");
    compiles(['bare.ts', 'bare.cts'], { skipLibCheck: false, lib: ['es2023'] });
  });

  it('can be required by CommonJS', () => {
    const names = JSON.stringify(ENTRIES);
    writeFileSync(
      join(user, 'old.cjs'),
      `for (const name of ${names}) console.log(Object.keys(require(name)).length > 5);`,
    );
    expect(node('--no-warnings', 'old.cjs')).toBe('true\n'.repeat(ENTRIES.length));
  });

  it('runs its command', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(node(bin(), '--version').trim()).toBe(version);
    expect(node(bin(), 'inspect', join(installed, 'guests', 'build', 'hello-long.elf'))).toContain('ELF64');
  });
});

describeKvm('the package', () => {
  it('boots a guest it ships', () => {
    expect(node(bin(), 'run', '--quiet', join(installed, 'guests', 'build', 'hello-long.elf'))).toBe(
      'Hello from long mode\n',
    );
  });

  it('checks its exercises, in the folder of a learner', () => {
    expect(node(bin(), 'learn', 'start', '1')).toContain('01-ask.js');
    const program = join(user, 'vmlapse-learn', '01-ask.js');
    writeFileSync(program, node(bin(), 'learn', 'solution', '1'));
    expect(node(bin(), 'learn', 'check', '1', '--lang', 'en')).toContain('Exercise 1, Does KVM work here?: passed');
    expect(node(program)).toContain('API version 12');
  });

  it('checkpoints it in a thread of its own', () => {
    const guest = join(installed, 'guests', 'build', 'compute.elf');
    const store = join(user, 'lab');
    const { status, stderr } = spawnSync(
      process.execPath,
      [bin(), 'run', '--store', store, '--checkpoint-at', 'exit:112', guest],
      { cwd: user, encoding: 'utf8' },
    );
    expect(status, stderr).toBe(12);
    expect(node(bin(), 'log', '--store', store)).toContain('pages');
  });
});
