/** The command on a system that is no Linux: what works on files works, and the rest says in a line what it needs. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/public.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp, pageWith } from '../../snapshot/show/made-up.ts';
import { asMac } from '../../support/elsewhere.ts';
import { PROGRAM, scratch, start } from './cli.ts';

const folder = scratch();
afterAll(() => folder[Symbol.dispose]());
const mac = asMac(folder.path);
const elsewhere = (...args: readonly string[]) =>
  start(PROGRAM[0], [...mac, PROGRAM[1], ...args], {
    cwd: folder.path,
    env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: '' },
  }).outcome;

beforeAll(() => {
  using store = openStore(folder.file('lab'), { create: true });
  const parent = commitMadeUp(store, {}, new Map([[0x1000, pageWith({ 1: [1] })]]));
  commitMadeUp(store, {}, new Map([[0x1000, pageWith({ 1: [2] })]]), { parent });
});

describe('on a Mac', () => {
  it.each([
    ['inspect', guestPath('hello-long')],
    ['ioctls'],
    ['log', '--store', 'lab'],
    ['show', '--store', 'lab', 'latest'],
    ['diff', '--store', 'lab', 'latest~1', 'latest'],
    ['verify', '--store', 'lab'],
    ['view', '--store', 'lab', '--html', 'page.html'],
    ['trace', '--lesson', '4'],
    ['trace', '--lesson', '4', '--html', 'trace.html'],
    ['learn'],
    ['learn', 'start', '1'],
    ['learn', 'solution', '1'],
  ])('%s %s works', async (...args) => {
    const { status, stdout, stderr } = await elsewhere(...args);
    expect(status, stderr).toBe(0);
    expect(stdout + stderr).not.toMatch(/needs Linux|NOT_LINUX/);
    for (const file of args.filter((arg) => arg.endsWith('.html'))) expect(existsSync(folder.file(file))).toBe(true);
  });

  it.each([
    [1, ['info']],
    [125, ['run', guestPath('hello-long')]],
    [125, ['restore', '--store', 'lab', 'latest']],
    [1, ['tag', '--store', 'lab', 'latest', 'name']],
    [1, ['gc', '--store', 'lab']],
  ])('status %i: %j says what it needs, in a line', async (status, args) => {
    const ended = await elsewhere(...args);
    expect(ended).toMatchObject({ status, stdout: '' });
    expect(ended.stderr).toMatch(/^vmlapse: this needs Linux on x86-64, and this is darwin on arm64 .*\n$/);
  });

  it('a check of an exercise is on a recording, and says why', async () => {
    await elsewhere('learn', 'start', '2', '--lang', 'en');
    const checked = await elsewhere('learn', 'check', '2', '--lang', 'en');
    expect(checked.status).toBe(1);
    expect(checked.stdout).toMatch(
      /On a recording: .*\nKVM cannot be used here: this needs Linux .*\n {2}what is wrong {2}/,
    );
  });
});
