/** `run --store` with each kind of trigger, and `restore`, as commands: the console before and after is the whole console. */
import { expect, it } from 'vitest';
import { guestNamed, guestPath } from '../../guests/list.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { describeKvm } from '../support/kvm.ts';
import { interrupted, PROGRAM, start } from '../tools/cli/cli.ts';
import { temporaryDirectory } from './store/support.ts';

const [NODE, MAIN] = PROGRAM;
const begin = (args: readonly string[]) => start(NODE, [MAIN, ...args]);
const finish = (args: readonly string[]) => {
  const started = begin(args);
  started.child.stdin.end();
  return started.outcome;
};

const labels = (store: Store) => store.log().map(({ label }) => label ?? '');
const KERNEL = guestNamed('kernel').expect.stdout as string;
const COMPUTE = guestNamed('compute').expect;

describeKvm('run --store --checkpoint-at', () => {
  const TRIGGERS = [
    { at: ['exit:40'], taken: ['exit:40'] },
    { at: ['exit:10', 'exit:60', 'exit:30'], taken: ['exit:60', 'exit:30', 'exit:10'] },
    { at: ['serial:BSS is zero'], taken: ['serial:BSS is zero'] },
    { at: ['end'], taken: ['end'] },
    { at: ['port:0xf4'], taken: ['port:0xf4'] }, // the exit that also ends the run
  ];

  it.each(TRIGGERS)('$at', async ({ at, taken }) => {
    using directory = temporaryDirectory();
    const triggers = at.flatMap((trigger) => ['--checkpoint-at', trigger]);
    const { status, stdout, stderr } = await finish([
      'run',
      '--store',
      directory.path,
      ...triggers,
      guestPath('kernel'),
    ]);
    expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: KERNEL });
    using store = openStore(directory.path);
    expect(labels(store)).toEqual(taken);
    for (const [n, { digest }] of store.log().entries()) {
      const restored = await finish(['restore', '--store', directory.path, digest]);
      expect(restored.status, restored.stderr).toBe(0);
      if (!['end', 'port:0xf4'].includes(taken[n]!)) expect(restored.stderr).not.toMatch(/had ended/);
      else
        expect(restored.stderr).toMatch(/^vmlapse: the guest had ended when the checkpoint was taken: the guest .*\n$/);
      expect(KERNEL.endsWith(restored.stdout)).toBe(true);
      if (taken[n]?.startsWith('exit:')) expect(restored.stdout).not.toBe('');
    }
  });

  it('port:P, at each access', async () => {
    using directory = temporaryDirectory();
    const args = ['run', '--store', directory.path, '--checkpoint-at', 'port:0x80', guestPath('edge-bounded')];
    const { status, stderr } = await finish(args);
    expect(status, stderr).toBe(0);
    using store = openStore(directory.path);
    expect(store.log()).toHaveLength(20); // one for each round
    const fifth = await finish(['restore', '--store', directory.path, 'latest~15']);
    expect({ status: fifth.status, stdout: fifth.stdout }, fifth.stderr).toEqual({
      status: 0,
      stdout: 'edge: 5120 additions\n',
    });
  });

  it('time:MS and signal, of a guest that goes on', async () => {
    using directory = temporaryDirectory();
    const triggers = ['--checkpoint-at', 'time:50ms', '--checkpoint-at', 'signal'];
    const { child, outcome, said } = begin(['run', '--store', directory.path, ...triggers, guestPath('edge')]);
    await said('stderr', '(time:50ms)');
    child.kill('SIGUSR2');
    await said('stderr', '(signal)');
    child.kill('SIGUSR2');
    child.kill('SIGINT');
    expect((await outcome).status).toBe(130);
    using store = openStore(directory.path);
    expect(labels(store)).toContain('time:50ms');
    expect(labels(store).filter((label) => label === 'signal').length).toBeGreaterThanOrEqual(1);
    expect(store.verify().problems).toEqual([]);
  });

  it('--every with --keep: the last N, each of them whole', async () => {
    using directory = temporaryDirectory();
    const args = ['run', '--store', directory.path, '--every', '30ms', '--keep', '3', guestPath('edge')];
    const { status, stderr } = await interrupted(args, /(checkpoint [0-9a-f]{12}.*){5}/s);
    expect(status).toBe(130);
    expect(stderr).toMatch(
      /\d+ checkpoints; the guest stood still for [\d.]+ of \d+ ms, a slowdown of at least [\d.]+ %/,
    );
    using store = openStore(directory.path);
    expect(store.log()).toHaveLength(3);
    expect(store.verify().problems).toEqual([]);
  });
});

describeKvm('restore', () => {
  it('goes on with the console: half typed before, half after', async () => {
    using directory = temporaryDirectory();
    const trigger = ['--checkpoint-at', 'serial:Ctrl-D\nhel'];
    const first = begin(['run', '--store', directory.path, ...trigger, guestPath('echo-irq')]);
    first.child.stdin.write('hel');
    await first.said('stderr', 'checkpoint ');
    first.child.kill('SIGINT');
    const { stdout: before } = await first.outcome;
    expect(before.endsWith('hel')).toBe(true);
    const second = begin(['restore', '--store', directory.path, 'latest']);
    second.child.stdin.end('lo\nguest\n\x04');
    const { status, stdout: after, stderr } = await second.outcome;
    expect(status, stderr).toBe(0);
    expect(before + after).toBe(guestNamed('echo-irq').expect.stdout);
  });

  it('makes a branch of its own, and leaves the store as it is without --every or --checkpoint-at', async () => {
    using directory = temporaryDirectory();
    await finish(['run', '--store', directory.path, '--checkpoint-at', 'exit:60', guestPath('compute')]);
    using store = openStore(directory.path);
    const [base] = store.log();
    const plain = await finish(['restore', '--store', directory.path, 'latest']);
    expect(plain.status, plain.stderr).toBe(0x0c);
    expect((COMPUTE.stdout as string).endsWith(plain.stdout)).toBe(true);
    expect(store.log()).toHaveLength(1);
    const branch = ['restore', '--store', directory.path, base!.digest, '--checkpoint-at', 'exit:30'];
    for (let n = 0; n < 2; n++) expect((await finish(branch)).status).toBe(0x0c);
    expect(store.log().map(({ parent }) => parent)).toEqual([base!.digest, base!.digest, undefined]);
  });

  it('--explain does nothing but explain; a reference that is not there is said to be', async () => {
    using directory = temporaryDirectory();
    await finish(['run', '--store', directory.path, '--checkpoint-at', 'exit:60', guestPath('compute')]);
    const explained = await finish(['restore', '--store', directory.path, 'latest', '--explain']);
    expect(explained.status).toBe(0);
    expect(explained.stdout).toMatch(/KVM_CREATE_VM[\s\S]*KVM_SET_MSRS[\s\S]*KVM_SET_CLOCK/);
    const missing = await finish(['restore', '--store', directory.path, 'nowhere']);
    expect(missing.status).toBe(125);
    expect(missing.stderr).toContain('nowhere');
  });
});
