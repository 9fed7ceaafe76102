/** Folders that are missing are made, in every place that may be named. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from '../../src/files/make-folder.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';

it('makes a folder with those that it lies in, and leaves what is there', () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'a', 'b', 'c');
  makeFolder(path, 0o700);
  expect(statSync(join(directory.path, 'a', 'b')).mode & 0o777).toBe(0o700);
  writeFileSync(join(path, 'file'), '');
  makeFolder(path);
  expect(existsSync(join(path, 'file'))).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

it('throws where it cannot be, and always returns', () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'file');
  writeFileSync(file, '');
  expect(() => makeFolder(file)).toThrow(/EEXIST/);
  expect(() => makeFolder(join(file, 'a', 'b'))).toThrow(/ENOTDIR/);
  expect(() => makeFolder('/proc/vmlapse/a/b')).toThrow(/ENOENT/);
});
