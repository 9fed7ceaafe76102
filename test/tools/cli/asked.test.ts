/** What a run was asked to do, and did: exact texts, ends that last, checkpoints that were not taken. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp } from '../../snapshot/show/made-up.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, interrupted, PROGRAM, scratch, start } from './cli.ts';

const FLAT = ['--mem', '1', '--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
const hexOf = (bytes: Iterable<number>) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));

/** Sends bytes one by one, writes 3 to the debug exit, then halts for good. */
const sender = (bytes: Iterable<number>) =>
  Buffer.from(
    `baf803${hexOf(bytes)
      .map((byte) => `b0${byte}ee`)
      .join('')}b003e6f4faf4ebfd`,
    'hex',
  );

describeKvm('run --store', () => {
  let folder: ReturnType<typeof scratch>;
  let stores = 0;
  beforeAll(() => {
    folder = scratch();
    writeFileSync(folder.file('ready'), sender(Buffer.from('abcRDYdefRDY')));
    writeFileSync(folder.file('bytes'), sender([...Buffer.from('gr\u00fc\u00df'), 0xff, 0xfe, 0x80, 0x0a]));
  });
  afterAll(() => folder?.[Symbol.dispose]());

  const newStore = () => folder.file(`store${stores++}`);
  const run = (store: string, guest: string, ...more: string[]) =>
    cli(['run', '--store', store, ...FLAT, ...more, folder.file(guest)]);
  const restore = (store: string, ...more: string[]) => cli(['restore', '--store', store, 'latest', ...more]);
  it('a store that another process writes all the time is said before the guest starts', async () => {
    const path = newStore();
    using store = openStore(path, { create: true });
    using _ = store.lock();
    const asked = [
      ['--every', '1s'],
      ['--checkpoint-at', 'end'],
    ];
    for (const { status, stdout, stderr } of await Promise.all(asked.map((words) => run(path, 'ready', ...words)))) {
      expect(stderr).toMatch(/^vmlapse: the store .* is being written by process \d+ .*\n$/);
      expect({ status, stdout }).toEqual({ status: 125, stdout: '' });
    }
  });

  const labels = (path: string) => {
    using store = openStore(path);
    return store.log().map(({ label }) => label);
  };

  it('serial:TEXT is the machine behind the last byte of the text', async () => {
    const store = newStore();
    expect(await run(store, 'ready', '--checkpoint-at', 'serial:RDY')).toMatchObject({
      status: 3,
      stdout: 'abcRDYdefRDY',
    });
    expect(labels(store)).toEqual(['serial:RDY']);
    expect(await restore(store)).toMatchObject({ status: 3, stdout: 'defRDY' });
  });

  it('a text is bytes: UTF-8, or \\xNN for any', async () => {
    const store = newStore();
    const text = await run(
      store,
      'bytes',
      '--checkpoint-at',
      'serial:gr\u00fc',
      '--checkpoint-at',
      'serial:\\xff\\xFE',
    );
    expect(text.status, text.stderr).toBe(3);
    expect(labels(store)).toEqual(['serial:\\xff\\xFE', 'serial:gr\u00fc']);
    expect((await restore(store)).stdout).toBe('\x80\n');
  });

  it('the output of forks is the bytes the guests sent; --json has both', async () => {
    const store = newStore();
    await run(store, 'bytes', '--checkpoint-at', 'serial:gr');
    const rest = Buffer.from('\u00fc\u00df').toString('latin1');
    expect((await restore(store, '--fork', '1')).stdout).toBe(`[0] ${rest}\xff\xfe\x80\n`);
    const forks = JSON.parse(Buffer.from((await restore(store, '--fork', '1', '--json')).stdout, 'latin1').toString());
    const output = '\u00fc\u00df\ufffd\ufffd\ufffd\n';
    expect(forks).toMatchObject([{ output, outputBase64: expect.any(String), ended: 'the guest exited with 3' }]);
    expect(Buffer.from(forks[0].outputBase64, 'base64').toString('latin1')).toBe(`${rest}\xff\xfe\x80\n`);
  });

  it.each(['end', 'port:0xf4'])('a checkpoint at %s restores to that end', async (trigger) => {
    const store = newStore();
    const taken = await run(store, 'ready', '--checkpoint-at', trigger);
    expect(taken.status).toBe(3);
    expect(taken.stderr).toMatch(/; the guest had ended: the guest exited with 3\n/);
    const ended = 'vmlapse: the guest had ended when the checkpoint was taken: the guest exited with 3\n';
    expect(await restore(store)).toMatchObject({ status: 3, stdout: '', stderr: ended });
    expect(await restore(store, '--fork', '2')).toMatchObject({ status: 3, stderr: `[0] ${ended}[1] ${ended}` });
  });

  it('a trigger that never came is told, with status 125', async () => {
    const never = ['serial:zzz', 'exit:99999', 'port:0x999', 'time:100s'];
    const { status, stderr } = await run(newStore(), 'ready', ...never.flatMap((at) => ['--checkpoint-at', at]));
    expect(status).toBe(125);
    for (const at of ['serial:zzz', 'exit:99999', 'port:0x999', 'time:100000ms'])
      expect(stderr).toContain(`vmlapse: no checkpoint at ${at}: the run ended before it came\n`);
    const { stdout } = await run(newStore(), 'ready', '--json', '--checkpoint-at', 'serial:zzz');
    expect(JSON.parse(stdout)).toMatchObject({ value: 3, exitStatus: 125, missed: ['serial:zzz'] });
  });

  it('--max-pause holds at exact triggers and on a schedule: nothing is taken, and it is told', async () => {
    const store = newStore();
    const at = await run(store, 'ready', '--checkpoint-at', 'serial:RDY', '--max-pause', '1us');
    expect(at.status).toBe(125);
    expect(at.stderr).toMatch(/no checkpoint at serial:RDY: .*more than the 0\.001 ms allowed/);
    const every = ['--every', '20ms', '--max-pause', '1us', guestPath('memory-writer')];
    const scheduled = await interrupted(['run', '--store', store, ...every], 'no checkpoint');
    expect(scheduled.stderr).toMatch(/\d+ checkpoints? left out: the pause would have been longer than --max-pause/);
    expect(scheduled.stderr).not.toMatch(/vmlapse: checkpoint /);
    expect(labels(store)).toEqual([]);
  });

  it('--keep keeps the last ones, also when several are asked for at once', async () => {
    const store = newStore();
    const many = Array.from({ length: 4 }, () => ['--checkpoint-at', 'time:50ms']).flat();
    const args = ['run', '--store', store, '--every', '10m', '--keep', '2', ...many, guestPath('edge')];
    const { stderr } = await interrupted(args, /(vmlapse: checkpoint .*){4}/s);
    expect(stderr.match(/vmlapse: checkpoint /g), stderr).toHaveLength(4);
    expect(labels(store)).toHaveLength(2);
  });

  it('--keep in a store where nothing can be removed goes on, and says why, once', async () => {
    const path = newStore();
    const damaged = () => {
      using store = openStore(path, { create: true });
      const digest = commitMadeUp(store, {}, new Map(), { tags: ['other'] });
      writeFileSync(`${path}/blobs/sha256/${digest.slice(7)}`, 'X');
      return digest.slice(7, 19);
    };
    const other = damaged();
    const args = ['run', '--store', path, '--every', '20ms', '--keep', '1', guestPath('edge')];
    const { status, stderr } = await interrupted(args, /(vmlapse: checkpoint .*){4}/s);
    const told = stderr.split('\n').filter((line) => line.startsWith('vmlapse: --keep has not removed'));
    expect(told, stderr).toEqual([expect.stringContaining(other)]);
    expect(status).toBe(130);
  });

  it('how late a moment is stands beside the pause', async () => {
    const store = newStore();
    const args = ['run', '--store', store, '--checkpoint-at', 'time:50ms', guestPath('edge')];
    const { stderr } = await interrupted(args, /checkpoint .*\n/);
    expect(stderr).toMatch(/\(time:50ms\): .*, pause [\d.]+ ms, [\d.]+ m?s after its trigger\n/);
    using opened = openStore(store);
    expect(opened.log()[0]!.stats.lagUs).toBeGreaterThanOrEqual(0);
  });

  it('takes an image from a pipe, hashed as it was loaded', async () => {
    const store = newStore();
    const image = folder.file('ready');
    const command = `"$@" <(cat ${image}); cat ${image} | "$@" -`;
    const args = [...PROGRAM, 'run', '--store', store, ...FLAT, '--checkpoint-at', 'end'];
    const { stdout, stderr } = await start('bash', ['-c', command, 'bash', ...args]).outcome;
    expect(stdout, stderr).toBe('abcRDYdefRDY'.repeat(2));
    const shasum = spawnSync('sha256sum', [image], { encoding: 'utf8' }).stdout.slice(0, 64);
    using opened = openStore(store);
    for (const { digest } of opened.log()) {
      using checkpoint = opened.open(digest);
      expect(checkpoint.config.machine).toMatchObject({ guest: { sha256: shasum } });
    }
    expect(opened.log()).toHaveLength(2);
  });

  it.skipIf(process.getuid?.() !== 0 || !existsSync('/usr/bin/unshare'))(
    'a full disk costs the checkpoint and the status, and is told [needs root and unshare(1)]',
    async () => {
      const small = 'mkdir -p "$0" && mount -t tmpfs -o size=16k none "$0" && exec "$@"';
      const args = ['run', '--store', folder.file('full'), '--checkpoint-at', 'end', guestPath('compute-ring3')];
      const command = ['-m', 'sh', '-c', small, folder.file('full'), ...PROGRAM, ...args];
      const { status, stderr } = await start('unshare', command).outcome;
      expect(status).toBe(125);
      expect(stderr).toMatch(/no checkpoint at end: .*ENOSPC/);
      expect(stderr).not.toContain('vmlapse gc'); // the store is new
    },
  );
});
