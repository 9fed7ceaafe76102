/** Completion: what is offered, and that real shells take it as it is offered. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GUESTS_FOLDER } from '../../../guests/builder/paths.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { type Candidate, complete, unquoted } from '../../../tools/cli/complete/candidates.ts';
import { SCRIPTS, SHELLS } from '../../../tools/cli/complete/scripts.ts';
import { createProgram } from '../../../tools/cli/program.ts';
import { ControlServer } from '../../../tools/control/server.ts';
import { commitMadeUp } from '../../snapshot/show/made-up.ts';
import { pageOf } from '../../snapshot/store/support.ts';
import { TIME_FACTOR } from '../../support/time.ts';
import { fakeTarget, ownRuntimeFolder } from '../control/sockets.ts';
import { cli, PROGRAM, scratch, start } from './cli.ts';

const PLAYER = `${GUESTS_FOLDER}/../test/tools/cli/play-on-terminal.py`;
const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const hasPython = has('python3', '-c', 'import pty, termios');

const folder = scratch();
const runtime = ownRuntimeFolder();
let machine: ControlServer;
let digest: string;

beforeAll(async () => {
  {
    using store = openStore(folder.file('lab'), { create: true });
    digest = commitMadeUp(store, {}, new Map([[0, pageOf(1)]]), { label: 'booted', tags: ['before-login'] });
    commitMadeUp(store, {}, new Map([[0, pageOf(2)]]), { tags: ['later'] });
  }
  machine = await ControlServer.open('kitchen', fakeTarget().target);
  mkdirSync(folder.file('my dir'));
  writeFileSync(folder.file('my dir/a guest.elf'), '');
  mkdirSync(folder.file('bin'));
  chmodSync(PROGRAM[1], 0o755);
  symlinkSync(PROGRAM[1], folder.file('bin/vmlapse'));
});

afterAll(async () => {
  await machine.close();
  runtime[Symbol.dispose]();
  folder[Symbol.dispose]();
});

/** The texts offered for a line, the last word unfinished; or "files", "folders". */
async function offered(...words: string[]): Promise<unknown> {
  const found = await complete(await createProgram('0.0.0'), words);
  return typeof found === 'string' ? found : (found as readonly Candidate[]).map(({ text }) => text);
}

describe('what is offered', () => {
  const lab = () => ['--store', folder.file('lab')];
  const refs = () => ['latest', 'later', 'before-login', expect.any(String), digest.slice(7, 19)];

  it('commands and options, by their beginning', async () => {
    expect(await offered('re')).toEqual(['restore', 'replay', 'resume']);
    expect(await offered('run', '--ti')).toEqual(['--timeout']);
    expect(await offered('help', 'sq')).toEqual(['squash']);
    expect(await offered('learn', 'so')).toEqual(['solution']);
  });

  it.each(['show', 'diff', 'tag', 'rm', 'squash', 'export', 'push', 'restore'])('%s: checkpoints', async (name) => {
    expect(await offered(name, ...lab(), '')).toEqual(refs());
    expect(await offered(name, `--store=${folder.file('lab')}`, 'bef')).toEqual(['before-login']);
    expect(await offered(name, ...lab(), digest.slice(7, 11))).toEqual([digest.slice(7, 19)]);
  });

  it('blame: checkpoints of the store that is given, or machines', async () => {
    expect(await offered('blame', ...lab(), '')).toEqual(refs());
    expect(await offered('blame', '')).toContain('kitchen');
  });

  it('the second checkpoint of a diff, but no name for a new tag', async () => {
    expect(await offered('diff', ...lab(), '--stat', '--limit', '3', 'later', 'bef')).toEqual(['before-login']);
    expect(await offered('tag', ...lab(), 'latest', '')).toEqual([]);
    expect(await offered('show', ...lab(), 'latest', '')).toEqual([]);
  });

  it.each(['pause', 'resume', 'console', 'events', 'status', 'stop', 'checkpoint', 'rollback'])(
    '%s: running machines',
    async (name) => expect(await offered(name, 'k')).toEqual(['kitchen']),
  );

  it('the machine of diff --live', async () => {
    expect(await offered('diff', 'latest', '--live', '')).toEqual(['kitchen']);
    expect(await offered('diff', 'latest', '--live=k')).toEqual(['--live=kitchen']);
  });

  it('files, folders and choices', async () => {
    expect(await offered('run', '')).toBe('files');
    expect(await offered('inspect', '--mem', '64M', 'gu')).toBe('files');
    expect(await offered('diff', 'a', 'b', '--html', '')).toBe('files');
    expect(await offered('log', '--store', '')).toBe('folders');
    expect(await offered('run', '--format=elf-')).toEqual(['--format=elf-pvh']);
    expect(await offered('trace', '--only', 'KVM_CREATE_V')).toEqual(['KVM_CREATE_VM', 'KVM_CREATE_VCPU']);
    expect(await offered('trace', '--exit=MM')).toEqual(['--exit=MMIO']);
    expect(await offered('run', '--', '--ti')).toBe('files');
  });

  it('nothing, where the store is none', async () => {
    expect(await offered('show', '--store', folder.file('nowhere'), '')).toEqual([]);
  });

  it('words lose their quotes as in the shell', () => {
    expect(unquoted(`my\\ lab`)).toBe('my lab');
    expect(unquoted(`'my lab'`)).toBe('my lab');
    expect(unquoted(`"my \\"lab`)).toBe('my "lab');
    expect(unquoted('--store=~/lab')).toBe(`--store=${process.env.HOME}/lab`);
    expect(unquoted('latest~1')).toBe('latest~1');
  });
});

describe('vmlapse complete', () => {
  it.each(SHELLS)('complete %s prints a script', async (shell) => {
    const { status, stdout } = await cli(['complete', shell]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/complete -- /) });
  });

  it('refuses other shells and none', async () => {
    for (const args of [['csh'], [], ['bash', 'zsh']]) expect((await cli(['complete', ...args])).status).toBe(2);
  });
});

/** Types on a terminal; what must appear is in the script. Returns what the screen has seen, without its colours. */
async function play(steps: readonly object[], shell: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const outcome = await start('python3', [PLAYER, JSON.stringify(steps), ...shell], {
    cwd: folder.path,
    env: {
      ...process.env,
      ...{ PATH: `${folder.file('bin')}:${process.env.PATH}`, TERM: 'dumb', HISTFILE: '', HOME: folder.path },
      ...{ PTY_LIMIT: String(24 * TIME_FACTOR) },
      ...env,
    },
  }).outcome;
  expect(JSON.parse(outcome.stdout)).toMatchObject({
    problem: null,
    seen: expect.not.stringMatching(/not found|readonly/),
  });
}

/** What a shell's start-up file has that reads the script twice. */
const startUp = (shell: 'bash' | 'zsh') => `PS1='> '\n${SCRIPTS[shell]}\n${SCRIPTS[shell]}`;
const CLEAR = '\x15';
const STEPS = [
  { see: '> ' },
  ...[{ type: 'vmlapse show --store lab bef\t' }, { see: 'before-login' }, { type: CLEAR }],
  ...[{ type: 'vmlapse inspect my\t' }, { see: 'my\\ dir' }, { type: CLEAR }],
  ...[{ type: 'vmlapse run --format=elf-\t' }, { see: 'elf-pvh' }, { type: `${CLEAR}exit\r` }],
];

describe('in a shell', () => {
  it.runIf(hasPython)('bash, without its completion package, the script read twice', async () => {
    writeFileSync(folder.file('rc.bash'), startUp('bash'));
    await play(STEPS, ['bash', '--noprofile', '--rcfile', folder.file('rc.bash'), '-i']);
  });

  it.runIf(hasPython && has('zsh', '--version'))('zsh, the script read twice', async () => {
    writeFileSync(folder.file('.zshrc'), startUp('zsh'));
    await play(STEPS, ['zsh', '-d', '-i'], { ZDOTDIR: folder.path });
  });

  it.runIf(has('fish', '--version'))('fish', async () => {
    const lines = ['show --store=lab bef', 'inspect my', 'pause k'];
    writeFileSync(
      folder.file('try.fish'),
      [SCRIPTS.fish, ...lines.map((line) => `complete -C 'vmlapse ${line}'`), ''].join('\n'),
    );
    const env = { ...process.env, PATH: `${folder.file('bin')}:${process.env.PATH}`, HOME: folder.path };
    const { stdout } = await start('fish', ['--no-config', 'try.fish'], { cwd: folder.path, env }).outcome;
    const first = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0]);
    expect(first).toEqual(['before-login', 'my dir/', 'kitchen']);
  });
});
