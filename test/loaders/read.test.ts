import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readImage } from '../../loaders/read.ts';
import { MIB } from './build.ts';
import { refused } from './refused.ts';

describe('readImage', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'vmlapse-read-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const file = (name: string, content: Uint8Array | string) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };

  const sparse = (name: string, size: number) => {
    const path = join(directory, name);
    const fd = openSync(path, 'w');
    ftruncateSync(fd, size);
    closeSync(fd);
    return path;
  };

  test('a small file is read, a large one mapped; both are the file', () => {
    const content = new Uint8Array(5 * MIB).map((_, i) => i % 251);
    for (const bytes of [content.subarray(0, 1000), content]) {
      using image = readImage(file('image', bytes));
      expect(Buffer.compare(image.bytes, bytes)).toBe(0);
    }
  });

  test('a pipe whose other end nobody opens is not waited for, where pipes are not wanted', () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    refused(() => readImage(pipe, { pipes: false }), 'NOT_A_FILE', /it is a pipe or a socket: name a file/);
  });

  test('what cannot be an image is refused, by its path', () => {
    refused(() => readImage(join(directory, 'missing')), 'UNREADABLE', /missing: there is no such file/);
    refused(() => readImage(join(file('plain', 'x'), 'below')), 'UNREADABLE', /a part of the path is not a directory/);
    refused(() => readImage(directory), 'DIRECTORY', /it is a directory: name a file in it/);
    refused(() => readImage(file('empty', '')), 'EMPTY', /empty: it is empty/);
    refused(() => readImage('/dev/null'), 'DEVICE', /it is a device: name a file or a pipe/);
    refused(() => readImage(sparse('huge', 1025 * MIB)), 'TOO_LARGE', /images may have up to 1 GiB/);
  });
});
