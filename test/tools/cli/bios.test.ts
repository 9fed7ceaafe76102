/** Boot sectors and disks on the command line: their text and keys without a screen, notes, traces, refusals. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../../guests/contract.ts';
import { guestPath } from '../../../guests/list.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';
import { bootableCd } from '../../support/iso.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, PROGRAM, start } from './cli.ts';

/** A boot sector with these bytes of code, padded with zeros to `size` bytes. */
function disk(code: readonly number[], size = 512): Uint8Array {
  const image = new Uint8Array(size);
  image.set(code);
  image.set([0x55, 0xaa], 510);
  return image;
}

/** int 15h with AX=5300h, int 21h; then the exit port. */
const ASKS = [0xb8, 0x00, 0x53, 0xcd, 0x15, 0xcd, 0x21, 0x30, 0xc0, 0xe6, 0xf4];
/** Divides by zero at 0000:7c02. */
const DIVIDES = [0x31, 0xc9, 0xf7, 0xf1];

describeKvm('run of a boot sector', () => {
  it('prints its text, and gives it the keys', async () => {
    const { stdout, stderr, status } = await cli(['run', '-q', guestPath('boot-echo')], 'Hi there!\n');
    expect({ stdout, stderr, status }).toEqual({ stdout: 'type: Hi there!\r\n', stderr: '', status: 0 });
  });

  it('reads its disk', async () => {
    const { stdout, status } = await cli(['run', '-q', guestPath('boot-fat12')]);
    expect({ stdout, status }).toEqual({ stdout: 'a file in two clusters\r\n', status: 0 });
  });

  it('reads the floppy that a CD emulates, which cannot be written', async () => {
    using directory = temporaryDirectory();
    const onCd = async (name: string) => {
      const floppy = Buffer.alloc(1440 * 1024);
      readFileSync(guestPath(name)).copy(floppy);
      const file = join(directory.path, `${name}.iso`);
      writeFileSync(file, bootableCd([{ name: 'FLOPPY.IMG;1', bytes: floppy }], { emulation: 2, sectors: 1 }));
      return await cli(['run', '-q', file]);
    };
    expect(await onCd('boot-loader')).toMatchObject(await cli(['run', '-q', guestPath('boot-loader')]));
    const { stdout, status } = await onCd('boot-disk');
    expect({ stdout, status }, 'a write fails').toEqual({ stdout: 'read from the disk\r\n', status: EXIT_CODES.PANIC });
  });

  it('names services that are not there, once', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'asks.bin');
    writeFileSync(file, disk([...ASKS.slice(0, 5), ...ASKS]));
    const { stderr, status } = await cli(['run', file]);
    expect(stderr.split('\n').filter((line) => line.includes(': INT '))).toEqual([
      'vmlapse: INT 15h AX=5300h: this machine has no APM',
      'vmlapse: INT 21h: this machine has no DOS',
    ]);
    expect(status).toBe(0);
  });

  it('reports an exception without a handler where it was', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'divides.bin');
    writeFileSync(file, disk(DIVIDES));
    const { stderr, status } = await cli(['run', file]);
    expect(stderr).toMatch(/divide error/);
    expect(stderr).toMatch(/0x7c02/);
    expect(status).toBe(126);
  });

  it('traces each call with its name and registers', async () => {
    const { stderr } = await cli(['run', '--trace', guestPath('boot-hello')]);
    expect(stderr).toMatch(/\[vcpu0\] INT 10h teletype: AX=0e48 .* -> AX=0e48/);
  });
});

describe('a disk that cannot boot', () => {
  it.each([
    ['has no code', disk([], 4096), /no code in the first sector/],
    ['is no floppy with a signature', new Uint8Array(1440 * 1024), /no known guest format/],
  ])('%s', async (_why, image, message) => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'disk.img');
    writeFileSync(file, image);
    const { stderr, status } = await cli(['inspect', file]);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  it('comes from a pipe', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'disk.img');
    writeFileSync(file, disk([0xf4], 4096));
    const { stderr, status } = await start('sh', ['-c', 'cat "$3" | "$1" "$2" inspect -', 'sh', ...PROGRAM, file])
      .outcome;
    expect(stderr).toMatch(/it comes from a pipe: write it to a file first/);
    expect(status).toBe(1);
  });

  it('has part of a sector at its end', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'disk.img');
    writeFileSync(file, disk([0xf4], 1000));
    const { stderr, status } = await cli(['run', file]);
    expect(stderr).toMatch(/truncate -s %512/);
    expect(status).toBe(125);
  });
});
