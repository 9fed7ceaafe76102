import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { countLine, parseCounts } from './counts.ts';
import { EXCLUDED, reasonToExclude } from './excluded.ts';
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
