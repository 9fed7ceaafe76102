import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { cpusNote } from '../../../tools/cli/machine-notes.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, PROGRAM, STACK_TRACE, scratch, start } from './cli.ts';

const MEM = ['--mem', '16'];
const HELLO = guestPath('hello-long');
const HELLO_SAYS = 'Hello from long mode\n';

describeKvm('vmlapse run: exit status, stdout, summary', () => {
  it.each<[string, readonly string[], number, RegExp]>([
    ['hello-long', [], 0, /^vmlapse: the guest exited with 0; \d+ exits \(IO \d+/],
    ['compute-ring3', [], 0x0c, /the guest exited with 12/],
    ['panic', [], 0x60, /the guest exited with 96/],
    ['poweroff', [], 0, /the guest powered off/],
    ['reset-port-a', [], 0, /the guest asked for a reset/],
    ['hlt-forever', [], 0, /the guest halted/],
    ['hlt-forever', ['--no-irqchip'], 0, /the guest halted.*HLT 1/],
    ['fault-triple', [], 126, /^Triple fault.*UD2.*<main\+0x.*vmlapse: triple fault/s],
    ['spin', ['--timeout', '300ms'], 124, /the time was up/],
    ['smp-2', ['--cpus', '2'], 0, /the guest exited with 0/],
  ])('%s %j gives %i', async (name, options, status, summary) => {
    const outcome = await cli(['run', ...MEM, ...options, guestPath(name)]);
    expect(outcome).toMatchObject({ status, stderr: expect.stringMatching(summary) });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    expect(outcome.stdout).not.toMatch(/vmlapse/);
  });

  it('the status is the low byte of what the guest wrote', async () => {
    using folder = scratch();
    const image = folder.file('exit.bin');
    writeFileSync(image, Buffer.from('66b885030000 66e7f4 ebfe'.replaceAll(' ', ''), 'hex')); // mov eax, 0x385; out 0xf4, eax
    const outcome = await cli(['run', ...MEM, '--format', 'flat', '--mode', 'real', '--load', '0x7c00', image]);
    expect(outcome.status).toBe(0x85);
  });

  it('stdout carries what the guest wrote to its serial port and nothing else; the debug console is on stderr', async () => {
    const [hello, debugcon] = await Promise.all([
      cli(['run', ...MEM, HELLO]),
      cli(['run', ...MEM, '--quiet', guestPath('debugcon')]),
    ]);
    expect(hello.stdout).toBe(HELLO_SAYS);
    expect(debugcon).toMatchObject({ status: 0, stdout: '', stderr: 'Hello from the debug console\n' });
  });

  it('--quiet leaves out the summary, not the explanation of a fault', async () => {
    const [hello, fault] = await Promise.all([
      cli(['run', ...MEM, '-q', HELLO]),
      cli(['run', ...MEM, '--quiet', guestPath('fault-triple')]),
    ]);
    expect(hello).toEqual({ status: 0, signal: null, stdout: HELLO_SAYS, stderr: '' });
    expect(fault.status).toBe(126);
    expect(fault.stderr).toMatch(/Triple fault/);
    expect(fault.stderr).not.toMatch(/vmlapse:/);
  });
});

describeKvm('vmlapse run --exit-port, --on-reset, --cpus', () => {
  const FLAT = [...MEM, '--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
  const flat = (folder: { file(name: string): string }, code: string) => {
    const image = folder.file('flat.bin');
    writeFileSync(image, Buffer.from(code.replace(/\s/g, ''), 'hex'));
    return image;
  };

  it("a port ends the guest as QEMU's isa-debug-exit does, also after a restore", async () => {
    using folder = scratch();
    const image = flat(folder, 'b041 baf803 ee b015 ba0105 ee f4'); // 'A' to 0x3f8; 0x15 to 0x501; hlt
    const port = ['--exit-port', '0x501'];
    const store = ['--store', folder.file('store')];
    const at = ['--checkpoint-at', 'serial:A'];
    expect(await cli(['run', ...FLAT, ...store, ...at, ...port, image])).toMatchObject({ status: 0x2b });
    expect(await cli(['restore', ...store, 'latest'])).toMatchObject({ status: 0x2b });
    expect(await cli(['run', ...FLAT, image])).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/port 0x501/),
    });
  });

  it('a port that a device has, or that ends the guest anyway, is refused', async () => {
    const taken = await cli(['run', ...MEM, '--exit-port', '0x3f8', HELLO]);
    expect(taken).toMatchObject({ status: 125, stderr: expect.stringMatching(/0x3f8 belongs to com1/) });
    const own = await cli(['run', ...MEM, '--exit-port', '0xf4', HELLO]);
    expect(own).toMatchObject({ status: 125, stderr: expect.stringMatching(/0xf4 to 0xf7 end the guest without it/) });
  });

  it('--on-reset restart boots the image again, and memory besides it stays', async () => {
    using folder = scratch();
    // inc byte [0x600]; mov al, [0x600]; add al, '0'; mov dx, 0x3f8; out dx, al; cmp al, '3'; je +4;
    // mov al, 1; out 0x92, al; mov al, 7; out 0xf4, al
    const image = flat(folder, 'fe060006 a00006 0430 baf803 ee 3c33 7405 b001 e692 f4 b007 e6f4');
    const again = await cli(['run', ...FLAT, '--on-reset', 'restart', '--timeout', '30s', image]);
    expect(again).toMatchObject({ status: 7, stdout: '123' });
    expect(again.stderr.match(/asked for a reset: it starts again/g)).toHaveLength(2);
    expect(await cli(['run', ...FLAT, image])).toMatchObject({ status: 0, stdout: '1' });
    const store = folder.file('store');
    const asked = ['--store', store, '--checkpoint-at', 'port:0x92', '--on-reset', 'restart', '--timeout', '30s'];
    const taken = await cli(['run', ...FLAT, ...asked, image]);
    expect(taken, taken.stderr).toMatchObject({ status: 7, stdout: '123' });
    using opened = openStore(store);
    expect(opened.log().map(({ label }) => label)).toEqual(['port:0x92', 'port:0x92']); // one for each reset
  });

  it('--cpuid chooses features, and refuses what KVM has not', async () => {
    using folder = scratch();
    // mov eax, 0x80000001; cpuid; mov al, cl; and al, 1 (lahf_lm); out 0xf4, al
    const image = flat(folder, '66b801000080 0fa2 88c8 2401 e6f4');
    const [host, minimal] = await Promise.all([
      cli(['run', ...FLAT, image]),
      cli(['run', ...FLAT, '--cpuid', 'minimal', image]),
    ]);
    expect([host.status, minimal.status]).toEqual([1, 0]);
    const kept = await cli(['run', ...FLAT, '--cpuid', 'minimal,+lahf_lm', image]);
    expect(kept.status).toBe(1);
    const lacking = await cli(['run', ...FLAT, '--cpuid', '+3dnow', image]);
    expect(lacking).toMatchObject({ status: 125, stderr: expect.stringMatching(/KVM has no 3dnow for a guest/) });
    const info = await cli(['info', '--cpuid']);
    expect(info.stdout).toMatch(/^0x1\.0:EDX +fpu /);
  });

  it('more vCPUs than KVM recommends are said to cost something', () => {
    const kvm = { checkExtension: () => 2 };
    expect(cpusNote(kvm, 2)).toBe(undefined);
    expect(cpusNote(kvm, 3)).toMatch(/^3 vCPUs, where KVM recommends 2: /);
    expect(cpusNote({ checkExtension: () => 0 }, 3)).toBe(undefined);
  });
});

describeKvm('vmlapse run --json', () => {
  it('is one document with the result and the output', async () => {
    const { status, stdout, stderr } = await cli(['run', ...MEM, '--json', guestPath('panic')]);
    const document = JSON.parse(stdout) as Record<string, unknown>;
    expect(stderr).toBe('');
    expect(status).toBe(0x60);
    expect(document).toMatchObject({
      reason: 'exit-port',
      value: 0x60,
      exitStatus: 0x60,
      ended: 'the guest exited with 96',
      vcpu: 0,
      output: 'panic: 4 is not 5\n',
      outputDropped: 0,
      exits: { IO: expect.any(Number) },
      unclaimed: {},
    });
  });

  it('has the debug console, and leaves stderr empty', async () => {
    const { status, stdout, stderr } = await cli(['run', ...MEM, '--json', guestPath('debugcon')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      output: '',
      debugcon: 'Hello from the debug console\n',
      debugconDropped: 0,
    });
  });

  it('says what ended the run and explains faults', async () => {
    const [timeout, fault] = await Promise.all([
      cli(['run', ...MEM, '--json', '--timeout', '200ms', guestPath('spin')]),
      cli(['run', ...MEM, '--json', guestPath('fault-triple')]),
    ]);
    expect(JSON.parse(timeout.stdout)).toMatchObject({ reason: 'timeout', exitStatus: 124 });
    expect(JSON.parse(fault.stdout)).toMatchObject({
      reason: 'shutdown',
      exitStatus: 126,
      ended: 'triple fault',
      explanation: expect.stringContaining('Triple fault'),
    });
  });
});

describeKvm('vmlapse run --trace', () => {
  const LINE = /^\[(main|vcpu0)\] ioctl\(\d+<[^>]+>, KVM_[A-Z0-9_]+.*\) = (-1 E[A-Z]+|\d+)( \(.*\))? <\d+\.\d us>$/;

  it.each<[string, readonly string[], NodeJS.ProcessEnv]>([
    ['--trace', ['--trace'], {}],
    ['VMLAPSE_TRACE=1', [], { VMLAPSE_TRACE: '1' }],
  ])('%s prints every ioctl in a line of its own', async (_name, options, env) => {
    const { status, stdout, stderr } = await cli(['run', ...MEM, '--json', ...options, HELLO], '', env);
    const result = JSON.parse(stdout) as { output: string; exits: Record<string, number> };
    expect(status).toBe(0);
    expect(result.output).toBe(HELLO_SAYS);
    const lines = stderr.trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(LINE);
    const runs = lines.filter((line) => line.includes(', KVM_RUN)'));
    const { INTR: signals = 0, ...exits } = result.exits;
    const served = Object.values(exits).reduce((sum, n) => sum + n, 0);
    expect(runs.filter((line) => line.includes(' = 0 ('))).toHaveLength(served);
    expect(runs.filter((line) => line.includes('-1 EINTR'))).toHaveLength(signals);
    const written = runs.map((line) => /IO out 0x3f8 ([0-9a-f]+)\)/.exec(line)?.[1] ?? '');
    expect(Buffer.from(written.join(''), 'hex').toString()).toBe(HELLO_SAYS);
    for (const name of ['KVM_CREATE_VM', 'KVM_CREATE_IRQCHIP', 'KVM_SET_USER_MEMORY_REGION', 'KVM_CREATE_VCPU'])
      expect(stderr).toMatch(new RegExp(`^\\[\\w+\\] ioctl\\(\\d+<[^>]+>, ${name}\\b`, 'm'));
  });
});

describeKvm('vmlapse run: what reaches the guest', () => {
  it.each([
    ['multiboot-info', /^cmdline: (\S+ )?quiet root=\/dev\/x y$/m],
    ['hello-multiboot2', /^cmdline: (\S+ )?quiet root=\/dev\/x y$/m],
    ['hello-pvh', /^cmdline: (\S+ )?quiet root=\/dev\/x y$/m],
  ])('%s gets --cmdline and --module', async (name, cmdline) => {
    using folder = scratch();
    const [one, two] = [folder.file('one.txt'), folder.file('two.txt')];
    writeFileSync(one, 'contents of one');
    writeFileSync(two, 'and of two');
    const modules = ['--module', `${one} first=1`, '--module', two];
    const { status, stdout } = await cli([
      'run',
      ...MEM,
      '--cmdline',
      'quiet root=/dev/x y',
      ...modules,
      guestPath(name),
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(cmdline);
    expect(stdout).toMatch(/^module: .*one.txt first=1 = contents of one$/m);
    expect(stdout).toMatch(/^module: .*= and of two$/m);
  });

  it('--blob places a file where it is told', async () => {
    using folder = scratch();
    const [image, blob] = [folder.file('reader.bin'), folder.file('blob')];
    // mov al, [0x9003]; out 0xf4, al
    writeFileSync(image, Buffer.from('a00390e6f4ebfe', 'hex'));
    writeFileSync(blob, Buffer.from([1, 2, 3, 77]));
    const flat = ['--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
    expect((await cli(['run', ...MEM, ...flat, '--blob', `0x9000=${blob}`, image])).status).toBe(77);
    const outside = await cli(['run', ...MEM, ...flat, '--blob', `0xfffffe=${blob}`, image]);
    expect(outside).toMatchObject({ status: 125, stderr: expect.stringMatching(/0xfffffe is outside guest RAM/) });
  });

  it('--no-irqchip: input becomes KVM_INTERRUPT', async () => {
    const { status, stdout } = await cli(['run', ...MEM, '--no-irqchip', guestPath('interrupt')], 'x');
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: 'interrupt: waiting for vector 0x24\ninterrupt: received\n',
    });
  });

  it('--load, --entry and --mode of a flat image', async () => {
    const flat = ['run', ...MEM, '--quiet', '--format', 'flat'];
    const [real, long] = await Promise.all([
      cli([...flat, '--load', '0x20000', guestPath('hello-real')]),
      cli([...flat, '--mode', 'long', '--load', '2097152', '--entry', '0x200000', guestPath('hello-long-flat')]),
    ]);
    expect(real.stdout).toBe('Hello from real mode\n');
    expect(long.stdout).toBe(HELLO_SAYS);
  });

  it('an image from a pipe', async () => {
    const { outcome } = start('sh', ['-c', 'cat "$3" | "$1" "$2" run --mem 16 -q /dev/stdin', 'sh', ...PROGRAM, HELLO]);
    expect(await outcome).toEqual({ status: 0, signal: null, stdout: HELLO_SAYS, stderr: '' });
  });
});
