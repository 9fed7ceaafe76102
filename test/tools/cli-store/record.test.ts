import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { DEPENDS_ON_TIME } from '../../debug/interrupted-code.ts';
import { installed, startRegistry } from '../../snapshot/registry/real-registry.ts';
import { code } from '../../support/code.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, STACK_TRACE, scratch } from '../cli/cli.ts';

const MEM = ['--mem', '16'];
/** Checkpoints at the beginning and the end alone, however slow the host is. */
const RECORD = ['--record', '--every', '10m'];
const REGISTRY = installed('docker-registry');
const HELLO = guestPath('hello-long');

describeKvm('vmlapse run --record, vmlapse replay', () => {
  it('records a run, and runs it again', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    const run = await cli(['run', ...MEM, ...RECORD, ...store, HELLO]);
    expect(run).toMatchObject({ status: 0, stdout: 'Hello from long mode\n' });
    expect(run.stderr).toMatch(/^vmlapse: recorded 22 exits in 2 checkpoints, the last is [0-9a-f]{12}$/m);
    const again = await cli(['replay', ...store]);
    expect(again).toMatchObject({ status: 0, stdout: 'Hello from long mode\n' });
    expect(again.stderr).toMatch(/^vmlapse: the same as recorded: exits 0 to 22, 1 checkpoint compared, \d+ ms\n$/);
    const part = await cli(['replay', ...store, '--to', '6', '--json']);
    expect(JSON.parse(part.stdout)).toMatchObject({ from: 0, exits: 6, checkpoints: 0 });
    const steps = await cli(['replay', ...store, '--to', '0+3']);
    expect(steps.stderr).toMatch(/^vmlapse: the same as recorded: exits 0 to 0\+3, /);
    const log = await cli(['log', ...store, '--json']);
    const entries = JSON.parse(log.stdout) as { stats: { recordedExits: number } }[];
    expect(entries.map(({ stats }) => stats.recordedExits)).toEqual([22, 0]);
  });

  it('records what is typed', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    const run = await cli(['run', ...MEM, ...RECORD, ...store, '--json', guestPath('echo-polled')], 'two words\n\x04');
    const { output, recorded } = JSON.parse(run.stdout) as { output: string; recorded: { exits: number } };
    expect(output).toMatch(/two words/);
    const again = await cli(['replay', ...store, '--verify']);
    expect(again).toMatchObject({ status: 0, stdout: output });
    expect(again.stderr).toMatch(`exits 0 to ${recorded.exits}`);
  });

  it('names the instruction that is another each time', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    const image = folder.file('time.bin');
    writeFileSync(image, Buffer.from('0f3166a300206631c06631d2e6f4', 'hex')); // rdtsc; mov [0x2000], eax; …
    const flat = ['--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
    expect(await cli(['run', ...MEM, ...flat, ...RECORD, ...store, image])).toMatchObject({ status: 0 });
    const again = await cli(['replay', ...store]);
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toMatch(
      /^vmlapse: two replays differ first in rax, after rdtsc at 0x7c00, position 0\nvmlapse: the replay diverged from the recording between 0 and 1: memory at 0x200/,
    );
  });

  it('says what it could not verify, and fails where that was asked for', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    const image = folder.file('time.bin');
    writeFileSync(image, code(DEPENDS_ON_TIME));
    const flat = ['--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
    expect(await cli(['run', ...MEM, ...flat, ...RECORD, ...store, image])).toMatchObject({ status: 0 });
    const again = await cli(['replay', ...store]);
    expect(again.status).toBe(0);
    expect(again.stderr).toMatch(
      /^vmlapse: the same as recorded, but for what is not verified: exits 0 to \d+, .*\nvmlapse: not verified: \d parts?, from 0 to 2/,
    );
    const verified = await cli(['replay', ...store, '--verify', '--json']);
    expect(verified.status).toBe(1);
    expect(JSON.parse(verified.stdout)).toHaveProperty('notRun.0', { from: 0, to: 2 });
  });

  it.skipIf(!REGISTRY)(
    `travels to a registry and back, and is the same there${REGISTRY ? '' : ' (skipped: needs the Debian package docker-registry)'}`,
    async () => {
      using folder = scratch();
      const [store, there] = [
        ['--store', folder.file('lab')],
        ['--store', folder.file('there')],
      ];
      await cli(['run', ...MEM, '--record', '--every', '1ms', ...store, HELLO]);
      const log = await cli(['log', ...store, '--json']);
      const points = (JSON.parse(log.stdout) as unknown[]).length;
      await using registry = await startRegistry(folder.path);
      const name = `${registry.host}/lab/recording:whole`;
      const all = ['--history', `${points}`];
      expect(await cli(['push', ...store, 'latest', name, ...all])).toMatchObject({ status: 0, stderr: '' });
      expect(await cli(['pull', ...there, name, ...all])).toMatchObject({ status: 0, stderr: '' });
      const again = await cli(['replay', ...there, '--verify']);
      expect(again).toMatchObject({ status: 0, stdout: 'Hello from long mode\n' });
      expect(again.stderr).toContain(`${points - 1} checkpoint`);
      const part = folder.file('part');
      await cli(['pull', '--store', part, name]);
      expect(await cli(['replay', '--store', part])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('the recording cannot be run again'),
      });
    },
  );

  it('blames an instruction for a value', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    expect(await cli(['run', ...MEM, ...RECORD, ...store, guestPath('overrun')])).toMatchObject({ status: 96 });
    const blamed = await cli(['blame', 'latest', 'accounts+24:8', ...store]);
    expect(blamed).toMatchObject({ status: 0, stderr: '' });
    expect(blamed.stdout).toMatch(
      /^at 38\+\d+, \d+ ms: vCPU 0 {2}set_name\+0x\w+ {2}mov .*\n {4}0x0000000000657070 -> 0x0000000072657070\n/,
    );
    const diff = await cli(['diff', 'latest~1', 'latest', ...store, '--blame', '--limit', '0']);
    expect(diff).toMatchObject({ status: 0, stderr: '' });
    expect(diff.stdout).toMatch(/ {2}written last at 38\+\d+, \d+ ms: vCPU 0 {2}set_name\+0x\w+ {2}mov/);
    const data = JSON.parse((await cli(['diff', 'latest~1', 'latest', ...store, '--blame', '--json'])).stdout);
    expect(data.memory.ranges.some(({ blame }: { blame?: { by: string } }) => blame?.by === 'vcpu')).toBe(true);
    expect(await cli(['diff', 'latest', 'latest~1', ...store, '--blame'])).toMatchObject({ status: 2 });
    const all = await cli(['blame', 'latest', 'accounts+24:8', ...store, '--all', '--json']);
    const writes = JSON.parse(all.stdout) as { symbol: string; old: string; new: string; vcpu: number }[];
    expect(writes.map(({ new: value }) => value.slice(0, 8))).toEqual([
      '70706572',
      '70706500',
      '70700000',
      '70000000',
      '64000000',
    ]);
    expect(writes.at(-1)).toMatchObject({ symbol: expect.stringMatching(/^main/), by: 'vcpu', vcpu: 0 });
    expect(await cli(['blame', 'latest', 'nothing_there', ...store])).toMatchObject({
      status: 2,
      stderr: 'vmlapse: there is no symbol nothing_there in the guest\n',
    });
    expect(await cli(['blame', 'latest', 'accounts:0', ...store])).toMatchObject({ status: 2 });
  });

  it.each([
    [['--record'], 125, /a recording needs a place: add --store DIR/],
    [['--record', '--store', 'x', '--checkpoint-at', 'exit:1'], 125, /--record does not go with --checkpoint-at: /],
    [['--record', '--store', 'x', '--cpus', '2'], 125, /several vCPUs cannot be recorded: their order is the host's/],
    [['--record', '--store', 'x', '--rng'], 125, /random numbers cannot be recorded/],
  ])('refuses run %j', async (options, status, message) => {
    using folder = scratch();
    const args = options.map((word) => (word === 'x' ? folder.file('x') : word));
    const { stderr, ...outcome } = await cli(['run', ...MEM, ...args, HELLO]);
    expect(outcome).toMatchObject({ status, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('refuses a guest that cannot be recorded, and replays of what is none', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('lab')];
    const timer = await cli(['run', ...MEM, ...RECORD, ...store, '--no-irqchip', guestPath('timer-pit')]);
    expect(timer.stderr).toMatch(
      /the guest uses the interrupt controller \(8259\), which a recorded machine can have; this machine was made without it \(--no-irqchip/,
    );
    await cli(['run', ...MEM, ...store, '--checkpoint-at', 'exit:6', '--record', HELLO]);
    await cli(['run', ...MEM, '--store', folder.file('other'), '--checkpoint-at', 'exit:6', HELLO]);
    expect(await cli(['replay', '--store', folder.file('other')])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^vmlapse: latest is of no recording: record with/),
    });
    await cli(['run', ...MEM, ...RECORD, ...store, HELLO]);
    expect(await cli(['replay', ...store, '--to', '23'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^vmlapse: the recording has 22 exits: 23 is after its end/),
    });
  });
});
