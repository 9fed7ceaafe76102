import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scaled } from '../support/time.ts';
import { ALIVE, countLine, fileLine, parseCounts, parseFileLine } from './counts.ts';
import { EXCLUDED, reasonToExclude } from './excluded.ts';
import { runOnHost } from './host.ts';
import { share } from './share.ts';

const TESTS = fileURLToPath(new URL('..', import.meta.url));

describe('the list of files the second host does not run', () => {
  it.each(Object.keys(EXCLUDED))('%s exists', (path) => {
    expect(existsSync(join(TESTS, path))).toBe(true);
  });

  it('names a folder by its slash and a file in full', () => {
    expect(reasonToExclude('bench/measure.test.js')).toBe(EXCLUDED['bench/']);
    expect(reasonToExclude('architecture.test.js')).toBe(EXCLUDED['architecture.test.js']);
    expect(reasonToExclude('kvm/architecture.test.js')).toBeUndefined();
    expect(reasonToExclude('real/guests.test.js')).toBeUndefined();
  });

  it('leaves every folder that needs KVM', () => {
    const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.js'));
    const folders = new Set(files.filter((file) => !reasonToExclude(file)).map((file) => file.split('/')[0]));
    for (const folder of ['kvm', 'machine', 'memory', 'runner', 'boot', 'real']) expect(folders).toContain(folder);
  });
});

describe("the second host's stand-in for vitest", () => {
  /** The names in each `{ … }` that `pattern` finds in a file of the tests. */
  const names = (file: string, pattern: RegExp): string[] =>
    [...readFileSync(join(TESTS, file), 'utf8').matchAll(pattern)].flatMap(([, list]) => list!.match(/\w+/g) ?? []);

  it('has each name that a file which runs there imports', () => {
    const has = new Set([...names('svm/vitest-shim.js', /^export \{([^}]*)\} from/gm), 'expect']);
    const wants = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js') && !reasonToExclude(file))
      .flatMap((file) => names(file, /^import \{([^}]*)\} from 'vitest';/gm).map((name) => `${name} in ${file}`));
    expect(wants.length).toBeGreaterThan(100);
    expect(wants.filter((want) => !has.has(want.split(' ')[0]!))).toEqual([]);
  });
});

describe('a host', () => {
  /** A script that says a line for each of its arguments, and stands still at `bad` as long as it was not started more often than `times`. */
  const host = (bad: string, times: number) => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-host-'));
    const starts = join(folder, 'starts');
    const code = `echo started >>"$0"
for file; do
  [ $file = ${bad} ] && [ $(wc -l <"$0") -le ${times} ] && { echo 'FAILED a test: why'; exec sleep 600; }
  echo "ok $file (2 passed, 0 failed, 1 skipped, 0.1 s)"; n=$((n + 2))
done
echo alive; echo "$n passed, 0 failed, $((n / 2)) skipped"`;
    const lines: string[] = [];
    const run = {
      files: ['a', 'b', 'c'],
      script: 'sh',
      args: (files: readonly string[]) => ['-c', code, starts, ...files],
      silenceMs: scaled(bad === 'none' ? 30_000 : 1000),
      startMs: scaled(30_000),
      say: (l: string) => lines.push(l),
    };
    return { run, lines, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  };

  it('gives its sum', async () => {
    using fine = host('none', 0);
    expect(await runOnHost(fine.run)).toEqual({ passed: 6, failed: 0, skipped: 3 });
    expect(fine.lines).toEqual(['a', 'b', 'c'].map((file) => `ok ${file} (2 passed, 0 failed, 1 skipped, 0.1 s)`));
  });

  it('that stands still is ended, and another goes on where it was', async () => {
    using once = host('b', 1);
    expect(await runOnHost(once.run)).toEqual({ passed: 6, failed: 0, skipped: 3 });
    expect(once.lines.filter((line) => line.startsWith('ok'))).toHaveLength(3);
    expect(once.lines).toContainEqual(expect.stringMatching(/it goes on with b on another/));
  });

  it('that always stands still at a file has failed with it, and the others run', async () => {
    using always = host('b', 99);
    expect(await runOnHost(always.run)).toEqual({ passed: 4, failed: 1, skipped: 2 });
    expect(always.lines).toContainEqual(expect.stringMatching(/^FAILED b: the host has said nothing/));
  });

  it('that ends without a sum has failed, and what was over counts', async () => {
    using fine = host('none', 0);
    const args = () => ['-c', 'echo "ok a (2 passed, 0 failed, 0 skipped, 0.1 s)"; exit 3'];
    expect(await runOnHost({ ...fine.run, args })).toEqual({ passed: 2, failed: 1, skipped: 1 });
    expect(fine.lines.at(-2)).toMatch(/^FAILED b: the host ended with 3/);
    expect(fine.lines.at(-1)).toBe('skipped, as the host had ended before: c');
  });

  it('that stands still when all is over, before its sum, has lost nothing', async () => {
    using late = host('sum', 99);
    const args = (left: readonly string[]) => late.run.args([...left, 'sum']);
    expect(await runOnHost({ ...late.run, args })).toEqual({ passed: 6, failed: 0, skipped: 3 });
    expect(late.lines.at(-1)).toMatch(/when all was over$/);
  });

  it('that never says anything is ended, too', async () => {
    using dumb = host('none', 0);
    const run = { ...dumb.run, files: ['a'], args: () => ['-c', 'exec sleep 600'], startMs: 100 };
    expect(await runOnHost(run)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(dumb.lines.at(-1)).toMatch(/^FAILED a: the host has said nothing for 0.1 s, 3 times$/);
  });
});

describe('a run on a host', () => {
  it('says that it is alive while its thread does something else', async () => {
    const code = `import { startAlive } from '${new URL('./alive.js', import.meta.url)}';
startAlive(5);
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
    const run = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      for await (const line of createInterface({ input: run.stdout })) if (line === ALIVE) return;
      expect.fail('it ended before');
    } finally {
      run.kill('SIGKILL');
    }
  });
});

describe('share', () => {
  it('gives every file to one host, and none of them nothing', () => {
    const files = ['a', 'b', 'c', 'real/guests.test.js', 'd'];
    const shares = share(files, 3);
    expect(shares.flat().sort()).toEqual([...files].sort());
    expect(shares.length).toBe(3);
    expect(share(['a'], 8)).toEqual([['a']]);
    expect(share([], 2)).toEqual([]);
  });

  it('leaves the host with the longest file alone until the others have as much', () => {
    expect(share(['a', 'b', 'real/guests.test.js'], 2)).toEqual([['real/guests.test.js'], ['a', 'b']]);
  });
});

describe('the line of a file', () => {
  it('is read as it is written', () => {
    for (const failed of [0, 2]) {
      const counts = { file: 'dist/test/a.test.js', passed: 12, failed, skipped: 3 };
      expect(parseFileLine(fileLine({ ...counts, seconds: 1.25 }))).toEqual(counts);
    }
    expect(parseFileLine('ok so far')).toBeUndefined();
  });
});

describe('the last line', () => {
  it('is read as it is written, and nothing else is', () => {
    const counts = { passed: 12, failed: 0, skipped: 3 };
    expect(parseCounts(countLine(counts))).toEqual(counts);
    expect(parseCounts(`ok ${countLine(counts)}`)).toBeUndefined();
    expect(parseCounts('12 passed')).toBeUndefined();
  });
});
