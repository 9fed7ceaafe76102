import { describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { createProgram } from '../../../tools/cli/program.ts';
import { describeKvm, hostKind } from '../../support/kvm.ts';
import { cli } from './cli.ts';

const PVH = guestPath('hello-pvh');

describeKvm('vmlapse info', () => {
  it('prints what the host can do, for people and for programs', async () => {
    const [text, json] = await Promise.all([cli(['info']), cli(['info', '--json'])]);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    for (const line of [
      /^KVM API version\s+12$/m,
      new RegExp(`^KVM kind\\s+${hostKind}`, 'm'),
      /^vCPUs per guest\s+\d+ recommended, \d+ at most$/m,
      /^memory slots\s+\d+$/m,
      /^IOMMU\s+/m,
      /^KVM_CAP_USER_MEMORY\s+1\s+guest memory$/m,
    ])
      expect(text.stdout).toMatch(line);
    const facts = JSON.parse(json.stdout) as { capabilities: { capability: string; value: number }[] };
    expect(facts).toMatchObject({ apiVersion: 12, kind: hostKind, maxVcpus: expect.any(Number) });
    for (const { capability, value } of facts.capabilities) {
      expect(text.stdout).toMatch(new RegExp(`^${capability}\\s+${value}\\s+${value > 0 ? '' : 'missing: '}\\S`, 'm'));
    }
  });
});

describeKvm('VMLAPSE_TRACE=1', () => {
  it('traces commands that have no --trace as well, on stderr', async () => {
    const { status, stdout, stderr } = await cli(['info', '--json'], '', { VMLAPSE_TRACE: '1' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ apiVersion: 12 });
    expect(stderr).toMatch(/^\[main\] ioctl\(\d+<\/dev\/kvm>, KVM_GET_API_VERSION\) = 12 <\d+\.\d us>$/m);
    expect(stderr).toMatch(/^\[main\] ioctl\(\d+<\/dev\/kvm>, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS\) = \d+ </m);
  });
});

describeKvm('vmlapse ioctls', () => {
  it('lists the table, with what is gone and what replaces it', async () => {
    const { stdout } = await cli(['ioctls', '--json']);
    const rows = JSON.parse(stdout) as { name: string }[];
    const row = (name: string) => rows.find((r) => r.name === name);
    expect(row('KVM_RUN')).toMatchObject({ number: '0x0000ae80', here: 'yes', class: ['vcpu'] });
    expect(row('KVM_SET_MEMORY_ALIAS')).toMatchObject({
      here: 'removed',
      doc: expect.stringMatching(/removed in .*use/),
    });
  });
});

describe('vmlapse inspect', () => {
  it('prints the plan, for people and for programs', async () => {
    const [text, json] = await Promise.all([cli(['inspect', PVH]), cli(['inspect', '--json', PVH])]);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^format\s+elf-pvh: ELF32/m);
    expect(text.stdout).toMatch(/^entry\s+protected mode, rip=0x[0-9a-f]+, rbx=0x[0-9a-f]+$/m);
    expect(text.stdout).toMatch(/^ {2}0x100000\.\.0x[0-9a-f]+ .*LOAD\[0\]/m);
    const plan = JSON.parse(json.stdout) as { entry: { rip: string }; segments: { gpa: number; memSize: number }[] };
    expect(plan).toMatchObject({ format: 'elf-pvh', entry: { mode: 'protected', rip: expect.stringMatching(/^0x/) } });
    for (const { gpa, memSize } of plan.segments)
      expect(text.stdout).toContain(`0x${gpa.toString(16)}..0x${(gpa + memSize - 1).toString(16)}`);
  });

  it('takes the options of run', async () => {
    const options = ['--format', 'flat', '--mode', 'real', '--load', '0x20000', '--entry', '0x20010'];
    const { stdout } = await cli(['inspect', ...options, guestPath('hello-real')]);
    expect(stdout).toMatch(/^format\s+flat/m);
    expect(stdout).toMatch(/0x20000\.\./);
  });
});

describe('help', () => {
  it('is printed on stdout, for the program and for a command', async () => {
    const [program, command] = await Promise.all([cli(['--help']), cli(['run', '--help'])]);
    expect(program).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^Usage: vmlapse .*Examples:/s),
    });
    expect(command).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^Usage: vmlapse run /) });
  });

  it('of every command has an example', async () => {
    const { commands } = await createProgram('0.0.0');
    expect(commands.map((command) => command.name())).toEqual(
      expect.arrayContaining(['info', 'ioctls', 'inspect', 'run']),
    );
    for (const command of commands) {
      const texts: string[] = [];
      command.configureOutput({ writeOut: (text) => texts.push(text) }).outputHelp();
      expect(texts.join('')).toMatch(new RegExp(`Examples?:\n(.*\n)*? .*vmlapse ${command.name()}`));
    }
  });

  it('--version is the version of the package', async () => {
    expect(await cli(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/),
    });
  });
});
