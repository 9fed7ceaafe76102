import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dirtyGuest } from '../../bench/native.ts';
import { onPath } from '../../bench/qemu.ts';
import { downtimeMs, loadvmMs } from '../../bench/qemu-snapshots.ts';

const here = (program: string) =>
  (process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/${program}`));
const able = existsSync('/dev/kvm') && ['gcc', 'objcopy', 'qemu-system-x86_64', 'qemu-img'].every(here);

describe('programs on PATH', () => {
  it('finds one, and names the Debian package of one that is missing', () => {
    expect(existsSync(onPath('sh', 'dash'))).toBe(true);
    expect(() => onPath('no-such-program', 'some-package')).toThrow('apt-get install some-package');
  });
});

describe.skipIf(!able)('QEMU as the yardstick', () => {
  const guest = able ? dirtyGuest({ pages: 64, stride: 16, mark: false }) : '';

  it('restores the guest in place', async () => {
    const samples = await loadvmMs(guest, 64, 2);
    expect(samples).toHaveLength(2);
    expect(Math.min(...samples)).toBeGreaterThan(0);
  });

  for (const how of ['migrate', 'background-snapshot'] as const) {
    it(`reports the downtime of ${how} to a file`, async () => {
      const [downtime] = await downtimeMs(guest, 64, how, 1);
      expect(downtime).toBeGreaterThanOrEqual(0);
    });
  }
});
