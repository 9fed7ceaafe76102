import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { passesOn } from '../../../tools/cli/run-end.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, type Outcome, PROGRAM, STACK_TRACE, scratch, start } from './cli.ts';

const HELLO = guestPath('hello-long');

const AS_NOBODY = ['--reuid=65534', '--clear-groups'];
const OTHERS_RUN_IT =
  process.getuid?.() === 0 && spawnSync('setpriv', [...AS_NOBODY, ...PROGRAM, '--version']).status === 0;
const WHY_NOT = OTHERS_RUN_IT ? '' : ' [skipped: needs root, and that others can read Node and this checkout]';

/** Refused in one line on stderr that begins with the program's name, nothing on stdout, no stack trace. */
function expectRefusal(outcome: Outcome, status: number, message: RegExp): void {
  expect(outcome.stderr).toMatch(message);
  expect(outcome.stderr).toMatch(/^vmlapse: .*\n$/);
  expect(outcome.stderr).not.toMatch(STACK_TRACE);
  expect(outcome).toMatchObject({ status, stdout: '' });
}

const USAGE: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [['bogus'], /unknown command 'bogus' \(see vmlapse --help\)/],
  [['inf'], /unknown command 'inf' \(Did you mean info\?\)/],
  [['run'], /missing required argument 'file' \(see vmlapse run --help\)/],
  [['run', 'a', 'b'], /too many arguments/],
  [['run', '--bogus', HELLO], /unknown option '--bogus'/],
  [['run', '--mem', '12x', HELLO], /--mem.*12x.*not a size/],
  [['run', '--mem', '0', HELLO], /--mem.*multiple of 4 KiB from 1 MiB/],
  [['run', '--mem', '2T', HELLO], /--mem.*to 1 TiB/],
  [['run', '--load', 'here', HELLO], /--load.*not a guest-physical address/],
  [['run', '--entry', '0x10000000000000', HELLO], /--entry.*below 2\^52/],
  [['run', '--timeout', 'soon', HELLO], /--timeout.*not a duration/],
  [['run', '--timeout', '500', HELLO], /--timeout.*500 of what\? give 500ms or 500s/],
  [['run', '--every', '500', HELLO], /--every.*500 of what\? give 500ms or 500s/],
  [['run', '--max-pause', '2', HELLO], /--max-pause.*2 of what\? give 2ms or 2s/],
  [['run', '--checkpoint-at', 'time:50', HELLO], /--checkpoint-at.*50 of what\? give 50ms or 50s/],
  [['run', '--cpus', '0', HELLO], /--cpus.*positive whole number/],
  [['run', '--format', 'pe', HELLO], /--format.*Allowed choices are elf, /],
  [['run', '--mode', 'virtual', HELLO], /--mode.*real, protected, long/],
  [['run', '--blob', 'nowhere', HELLO], /--blob.*ADDR=FILE/],
  [['run', '--keep', '3', HELLO], /--keep .* add --every/],
  [['run', '--level', '23', HELLO], /--level.*at most 22/],
  [['restore', 'latest', '--fork', '257'], /--fork.*at most 256/],
  [['screen', 'kitchen', '--png', ''], /--png.*written to a file: give its name/],
  [['screen', 'kitchen', '--png', '-'], /--png.*written to a file: give its name/],
  [['diff', 'a', 'b', '--html', ''], /--html.*written to a file: give its name/],
  [['export', 'latest', '--elf', ''], /--elf.*written to a file: give its name/],
  [['export', 'latest', '--raw', '-'], /--raw.*written to a file: give its name/],
  [['inspect'], /missing required argument/],
  [['complete', 'csh'], /csh/],
];

describe('wrong usage is status 2, of run and restore 125', () => {
  it.each(USAGE)('%j', async (args, message) => {
    expectRefusal(await cli(args), passesOn(args) ? 125 : 2, message);
  });

  it('without a command it prints its help to stderr', async () => {
    const outcome = await cli([]);
    expect(outcome).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^Usage: vmlapse/) });
  });
});

describeKvm('what the machine cannot be', () => {
  it.each([
    [['--cpus', '1000000'], /1000000 vCPUs are not possible: this host's KVM allows 1 to \d+/],
    [['--cpus', '2', '--no-irqchip'], /several vCPUs need the irqchip/],
  ])('%j is status 125', async (options, message) => {
    expectRefusal(await cli(['run', ...options, HELLO]), 125, message);
  });

  it('RAM too small for the image is status 125', async () => {
    expectRefusal(await cli(['run', '--mem', '1', HELLO]), 125, /outside guest RAM.*at least 2 MiB with --mem/);
  });
});

describe('files that are no guest are status 1, of run 125', () => {
  it.each([
    ['/nonexistent/guest.elf', /\/nonexistent\/guest\.elf: there is no such file/],
    [`${HELLO}/x`, /a part of the path is not a directory/],
    ['/', /\/: it is a directory/],
    ['/dev/zero', /\/dev\/zero: it is a device/],
    ['/dev/null', /\/dev\/null: it is a device/],
  ])('%s', async (file, message) => {
    expectRefusal(await cli(['run', file]), 125, message);
  });

  it('empty, text, an archive, a program of this host, a truncated guest, noise', async () => {
    using folder = scratch();
    const make = (name: string, content: string | Uint8Array) => {
      writeFileSync(folder.file(name), content);
      return folder.file(name);
    };
    const truncated = folder.file('truncated.elf');
    cpSync(guestPath('kernel'), truncated);
    truncateSync(truncated, 3000);
    const rows: [string, RegExp][] = [
      [make('empty', ''), /empty: it is empty/],
      [make('notes.txt', 'This is not a guest.\n'.repeat(50)), /notes\.txt: this is not a guest image but text/],
      [make('script', '#!/bin/sh\nexit 0\n'), /script: this is not a guest image/],
      [make('zip', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(600)])), /zip: this is not a guest image/],
      [make('noise', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 167 + 13) & 0xff))), /noise: /],
      [truncated, /truncated\.elf: /],
      [process.execPath, /node: /],
    ];
    const outcomes = await Promise.all(rows.map(([file]) => cli(['inspect', file])));
    outcomes.forEach((outcome, i) => {
      expectRefusal(outcome, 1, rows[i]![1]);
    });
  });

  it('missing modules and blobs', async () => {
    expectRefusal(await cli(['inspect', '--module', '/nonexistent', HELLO]), 1, /\/nonexistent: there is no such file/);
  });

  it('RAM too small for the image: inspect shows the plan all the same', async () => {
    const { status, stdout, stderr } = await cli(['inspect', '--mem', '1', guestPath('hello-pvh')]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/outside guest RAM.*--mem\n$/) });
    expect(stdout).toMatch(/0x100000\.\./);
  });

  it.skipIf(!OTHERS_RUN_IT)(`unreadable, as somebody who is not root${WHY_NOT}`, async () => {
    using folder = scratch();
    const file = folder.file('secret.elf');
    cpSync(HELLO, file);
    chmodSync(file, 0);
    chmodSync(folder.path, 0o755);
    const { outcome } = start('setpriv', [...AS_NOBODY, ...PROGRAM, 'inspect', file]);
    expectRefusal(await outcome, 1, /secret\.elf: it may not be read: check its permissions/);
  });
});

/** A mount namespace in which `path` is covered: needs root and util-linux. */
const CAN_UNSHARE = process.getuid?.() === 0 && existsSync('/usr/bin/unshare');

describe.skipIf(!CAN_UNSHARE)('without a usable /dev/kvm [needs root and unshare(1)]', () => {
  const without = (cover: string, args: readonly string[]) =>
    start('unshare', ['-m', 'sh', '-c', `${cover} && shift && exec "$@"`, 'sh', 'x', ...PROGRAM, ...args]).outcome;

  it('no such device', async () => {
    using folder = scratch();
    // An empty /dev but for what Node needs.
    const dev = folder.file('dev');
    mkdirSync(dev);
    for (const name of ['null', 'urandom', 'random']) writeFileSync(join(dev, name), '');
    const binds = ['null', 'urandom', 'random'].map((name) => `mount --bind /dev/${name} ${dev}/${name}`);
    const cover = [...binds, `mount --rbind ${dev} /dev`].join(' && ');
    const outcome = await without(cover, ['run', '--mem', '16', HELLO]);
    expectRefusal(outcome, 125, /there is no \/dev\/kvm: load the module/);
    expectRefusal(await without(cover, ['info']), 1, /there is no \/dev\/kvm/);
    const ioctls = await without(cover, ['ioctls']);
    expect(ioctls).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/KVM_RUN .* unknown /) });
  });

  it('a device of another kind', async () => {
    const outcome = await without('mount --bind /dev/null /dev/kvm', ['run', '--mem', '16', HELLO]);
    expectRefusal(outcome, 125, /KVM_GET_API_VERSION: ENOTTY/);
  });

  it.skipIf(!OTHERS_RUN_IT)(`no permission${WHY_NOT}`, async () => {
    using folder = scratch();
    chmodSync(folder.path, 0o755);
    const file = folder.file('kvm');
    writeFileSync(file, '');
    chmodSync(file, 0);
    const covered = `mount --bind ${file} /dev/kvm && shift && exec "$@"`;
    const args = ['-m', 'sh', '-c', covered, 'sh', 'x', 'setpriv', ...AS_NOBODY, ...PROGRAM, 'info'];
    const outcome = await start('unshare', args, { cwd: dirname(HELLO) }).outcome;
    expectRefusal(outcome, 1, /no permission on \/dev\/kvm: its group is root.*chgrp kvm/);
  });
});
