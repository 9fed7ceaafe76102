/** Machines that are recorded, by their names: they are blamed while they run, and what a replay would not have is refused. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { ControlError } from '../../../src/errors.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, STACK_TRACE } from '../cli/cli.ts';
import { namedMachines } from './named-machines.ts';
import { call } from './sockets.ts';

const { begin, file, socketFolder } = namedMachines();

const MEM = ['--mem', '16'];
/** Checkpoints when they are asked for alone, however slow the host is. */
const record = (name: string, guest: string) =>
  begin(name, 'run', ...MEM, '--record', '--every', '10m', '--store', file('lab'), '--name', name, guestPath(guest));

interface Blamed {
  readonly position: { readonly exits: number };
  readonly symbol?: string;
  readonly new: string;
}

describeKvm('a recorded machine with a name', () => {
  it('is blamed while it runs, again and again, and its run can be run again', async () => {
    const machine = await record('kitchen', 'echo-irq');
    await machine.said('stdout', 'Ctrl-D\n');
    const blamed = async () => JSON.parse((await cli(['blame', 'kitchen', 'echo_bytes', '--json'])).stdout) as Blamed[];
    expect(await blamed()).toEqual([]);
    for (const [text, count] of [
      ['a', 1],
      ['bc', 3],
    ] as const) {
      expect(await call('kitchen', 'input', { data: text })).toEqual({ taken: text.length });
      await machine.said('stdout', text);
      let [last] = await blamed();
      while (Number.parseInt(last?.new.slice(0, 2) ?? '0', 16) < count) [last] = await blamed(); // it prints before it counts
      expect(last).toMatchObject({ by: 'vcpu', new: `0${count}00000000000000` });
    }
    const asText = await cli(['blame', 'kitchen', 'echo_bytes']);
    expect(asText).toMatchObject({ status: 0, stdout: expect.stringMatching(/0x0{15}2 -> 0x0{15}3\n/) });
    expect(asText.stderr).toMatch(/^vmlapse: kitchen, after \d+ exits: checkpoint [0-9a-f]{12}\n$/);
    const { recorded, lastCheckpoint } = await call('kitchen', 'status');
    expect(recorded).toBeGreaterThanOrEqual(lastCheckpoint!.stats.recordedExits!);
    expect((await cli(['status', 'kitchen'])).stdout).toMatch(/^recorded +\d+ exits$/m);
    await call('kitchen', 'input', { data: '\x04' });
    expect((await machine.outcome).status).toBe(0);
    expect(existsSync(`${socketFolder()}/kitchen.sock`)).toBe(false);
    const again = await cli(['replay', '--verify', '--store', file('lab')]);
    expect(again).toMatchObject({ status: 0, stdout: (await machine.outcome).stdout });
  });

  it('waits in HLT, is stopped by its name, and refuses what its replay would not have', async () => {
    const machine = await record('kitchen', 'echo-irq');
    await machine.said('stdout', 'Ctrl-D\n');
    const { digest } = await call('kitchen', 'checkpoint', { tags: ['waiting'] });
    for (const [method, params] of [
      ['pause', {}],
      ['resume', {}],
      ['rollback', {}],
      ['gdb', {}],
      ['step', { by: 'exit' }],
      ['diff', {}],
      ['printed', {}],
      ['press', { codes: '\x1e' }],
      ['checkpoint', { label: 'a note' }],
      ['stop', { powerButton: true }],
    ] as const)
      await expect(call('kitchen', method, params as never), method).rejects.toThrow(
        /^machine kitchen is recorded: .*vmlapse blame kitchen/,
      );
    const stopped = await cli(['stop', 'kitchen']);
    expect(stopped).toMatchObject({ status: 0, stdout: 'kitchen has ended: interrupted\n' });
    expect((await machine.outcome).status).toBe(130);
    const log = JSON.parse((await cli(['log', '--store', file('lab'), '--json'])).stdout) as { digest: string }[];
    expect(log.map((each) => each.digest)).toContain(digest);
    expect((await cli(['replay', '--verify', '--store', file('lab')])).status).toBe(0);
  });

  it('says so where it computes without exits', async () => {
    const machine = await record('kitchen', 'spin');
    await machine.said('stdout', '\n');
    const blamed = await cli(['blame', 'kitchen', '0x200000:8']);
    expect(blamed).toMatchObject({ status: 1, stdout: '' });
    expect(blamed.stderr).toMatch(
      /^vmlapse: machine kitchen has come neither to an exit .*take its last one, sha256:\w{12}\n$/,
    );
    await call('kitchen', 'stop');
    expect((await machine.outcome).status).toBe(130);
  });
});

describeKvm('blame by a name', () => {
  it('is told of a machine that is not recorded, and of what is neither machine nor checkpoint', async () => {
    await begin('plain', 'run', ...MEM, '--store', file('lab'), '--name', 'plain', guestPath('spin'));
    const plain = await cli(['blame', 'plain', '0x200000:8']);
    expect(plain).toMatchObject({ status: 2, stdout: '' });
    expect(plain.stderr).toMatch(
      /^vmlapse: plain is a running machine that is not recorded: .*run --record --store DIR --name plain/,
    );
    expect((await call('plain', 'status')).lastCheckpoint).toBeUndefined();
    const store = ['--store', file('lab')];
    const neither = await cli(['blame', 'plain', '0x200000:8', ...store]);
    expect(neither).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('no checkpoint') });
    for (const { stderr } of [plain, neither]) expect(stderr).not.toMatch(STACK_TRACE);
    await expect(call('nobody', 'status')).rejects.toThrow(ControlError);
  });

  it('cannot be two machines', async () => {
    await record('kitchen', 'spin');
    const second = await cli([
      'run',
      ...MEM,
      '--record',
      '--store',
      file('other'),
      '--name',
      'kitchen',
      guestPath('spin'),
    ]);
    expect(second).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('a machine named kitchen runs already'),
    });
  });
});
