import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scaled } from '../support/time.ts';
import { countLine, parseCounts } from './counts.ts';
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

describe('a host', () => {
  /** A script that stands still as long as the file has no second line. */
  const standsStill = (times: number, first = 'true') => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-host-'));
    const file = join(folder, 'starts');
    const code = `echo started >>"$1"; [ $(wc -l <"$1") -gt ${times} ] || { ${first}; exec sleep 600; }; echo 'ok file'; echo '3 passed, 0 failed, 1 skipped'`;
    const lines: string[] = [];
    const run = {
      script: 'sh',
      args: ['-c', code, 'sh', file],
      silenceMs: scaled(1500),
      say: (l: string) => lines.push(l),
    };
    return { run, lines, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  };

  it('that stands still is ended and begun again', async () => {
    using host = standsStill(1);
    expect(await runOnHost(host.run)).toEqual({ passed: 3, failed: 0, skipped: 1 });
    expect(host.lines).toEqual([expect.stringMatching(/begun again/), 'ok file']);
  });

  it('that stands still hides no failure from before', async () => {
    using host = standsStill(1, "echo 'FAILED a test: why'");
    expect(await runOnHost(host.run)).toEqual({ passed: 3, failed: 1, skipped: 1 });
  });

  it('that stands still twice has failed', async () => {
    using host = standsStill(2);
    expect(await runOnHost(host.run)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(host.lines.at(-1)).toMatch(/^FAILED the host has said nothing/);
  });

  it('that ends without a sum has failed', async () => {
    using host = standsStill(0);
    const run = { ...host.run, args: ['-c', 'exit 3'] };
    expect(await runOnHost(run)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(host.lines).toEqual([expect.stringMatching(/^FAILED the host ended with 3/)]);
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

describe('the last line', () => {
  it('is read as it is written, and nothing else is', () => {
    const counts = { passed: 12, failed: 0, skipped: 3 };
    expect(parseCounts(countLine(counts))).toEqual(counts);
    expect(parseCounts(`ok ${countLine(counts)}`)).toBeUndefined();
    expect(parseCounts('12 passed')).toBeUndefined();
  });
});
