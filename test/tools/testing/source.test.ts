import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { temporaryPlace } from '../../../tools/testing/source.ts';

describe('where the checkpoints of fixtures go', () => {
  const ROOM = '/proc/..'; // any file system that is not the one of temporary files by its name

  it('is in memory where there is room', () => {
    const { bavail, bsize } = statfsSync(ROOM);
    expect(temporaryPlace(bavail * bsize * 0.5, ROOM)).toBe(ROOM);
  });

  it('is the folder of temporary files where there is not enough, or no such place', () => {
    expect(temporaryPlace(Number.MAX_SAFE_INTEGER, ROOM)).toBe(tmpdir());
    expect(temporaryPlace(1, '/nonexistent')).toBe(tmpdir());
  });
});
