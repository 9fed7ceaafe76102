import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest, MIB } from './build.ts';
import { refused } from './refused.ts';

describe('flat binary', () => {
  const code = Uint8Array.of(0xf4);
  const flat = (more: object) => load(code, guest(64, { format: 'flat', ...more }));

  test('defaults: real mode at 0x7c00, other modes at 1 MiB', () => {
    expect(flat({}).entry).toEqual({ mode: 'real', rip: 0x7c00n, cs: { selector: 0, base: 0 } });
    expect(flat({ mode: 'protected' }).entry).toEqual({ mode: 'protected', rip: 0x10_0000n });
    expect(flat({ mode: 'long' }).segments[0]!.gpa).toBe(0x10_0000);
  });

  test('any address, entry apart from it', () => {
    const image = flat({ mode: 'long', load: 0x20_0000, entry: 0x20_0004 });
    expect(image.entry.rip).toBe(0x20_0004n);
    expect(image.description).toBe('flat binary, 1 bytes at 0x200000, long mode');
  });

  test('real mode above 64 KiB uses the segment of the address', () => {
    expect(flat({ load: 0x2_1234 }).entry).toEqual({
      mode: 'real',
      rip: 0x1234n,
      cs: { selector: 0x2000, base: 0x2_0000 },
    });
  });

  test('refusals', () => {
    refused(
      () => flat({ load: MIB }),
      'OPTION',
      /entry address in real mode is 0x100000, expected an address below 1 MiB/,
    );
    refused(
      () => flat({ load: 2 ** 52, mode: 'long' }),
      'OPTION',
      /--load is 0x10000000000000, expected a guest-physical address/,
    );
    refused(
      () => load(new Uint8Array(2), guest(64, { format: 'flat', load: 2 ** 52 - 1, mode: 'long' })),
      'OPTION',
      /load address is 0xfffffffffffff, expected an image that ends below 2\^52/,
    );
    refused(() => flat({ entry: 2 ** 60, mode: 'long' }), 'OPTION', /--entry is 0x1000000000000000/);
    refused(() => flat({ load: -1 }), 'OPTION', /--load is -0x1/);
    refused(() => flat({ load: 1.5 }), 'OPTION', /--load is 1\.5/);
    refused(() => flat({ load: Number.NaN }), 'OPTION', /--load is NaN/);
    refused(() => flat({ mode: 'protected', entry: 2 ** 32 }), 'OPTION', /expected an address below 4 GiB/);
  });

  test('a command line and modules are told to be of no use', () => {
    expect(load(code, guest(64, { format: 'flat', cmdline: 'x' })).notes).toEqual([
      'command line and modules ignored: a flat binary has no way to take them',
    ]);
  });
});
