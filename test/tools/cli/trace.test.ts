import { describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, scratch } from './cli.ts';

const MEM = ['--mem', '16'];
const LESSON = '--lesson=4';

describe('vmlapse trace --lesson: without /dev/kvm', () => {
  it('prints the ioctls and what the program printed, and says that it is a recording', async () => {
    const { status, stdout, stderr } = await cli(['trace', LESSON]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^vmlapse: a recording of lesson 4's program, docs\/lessons\/04-exits.ts; made on 20\d\d-/);
    expect(stdout).toMatch(/, KVM_RUN\) = 0 \(IO in 0x3f8 1 byte\) <.*\n\[main\] prints: IO {3}in {2}0x3f8: "A"\n/);
    expect(stdout).toMatch(/\[main\] prints: HLT: the loop ends\n$/);
  });

  it('filters, and prints times', async () => {
    const { stdout } = await cli(['trace', LESSON, '--exit', 'MMIO', '--time']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^\d+\.\d{6} \[main\] .*MMIO (read|write) 0x90/);
    expect((await cli(['trace', LESSON, '--only', 'create_vm,KVM_CREATE_VCPU'])).stdout.match(/CREATE/g)).toHaveLength(
      2,
    );
  });

  it('counts, as a table and as JSON', async () => {
    const { stdout } = await cli(['trace', LESSON, '--count']);
    expect(stdout).toMatch(/^ *time +seconds +us\/call +calls +errors +ioctl\n/);
    expect(stdout).toMatch(/ 6 +KVM_RUN\n/);
    expect(stdout).toMatch(/\nexits +of KVM_RUN\n +3 +IO\n +2 +MMIO\n +1 +HLT\n$/);
    const counts = JSON.parse((await cli(['trace', LESSON, '--count', '--json'])).stdout);
    expect(counts).toMatchObject({
      trace: { format: 'vmlapse-trace', version: 1, lesson: 4 },
      ioctls: { KVM_RUN: { calls: 6, errors: 0 }, KVM_CREATE_VM: { calls: 1 } },
      exits: { IO: 3, MMIO: 2, HLT: 1 },
      ending: { kind: 'whole' },
    });
  });

  it('as JSON: one document, with the exits in parts', async () => {
    const { stdout, stderr } = await cli(['trace', LESSON, '--json', '--only', 'run']);
    expect(stderr).toBe('');
    const { events, ending } = JSON.parse(stdout);
    expect(ending).toEqual({ kind: 'whole' });
    expect(events).toHaveLength(6);
    expect(events[1].exit).toEqual({ reason: 'IO', access: 'out', address: 0x3f8, data: '42', bytes: 1 });
  });
});

/** What `vmlapse trace FILE --json` says. */
const read = async (file: string) => JSON.parse((await cli(['trace', file, '--json'])).stdout);

describeKvm('vmlapse run --trace-file', () => {
  it('has what --trace prints, and counts what the run counts', async () => {
    using folder = scratch();
    const file = folder.file('t');
    const run = await cli(['run', ...MEM, '--json', '--trace', '--trace-file', file, guestPath('hello-long')]);
    expect(run.status).toBe(0);
    const { stdout } = await cli(['trace', file]);
    const byThread = (text: string, who: string) => text.split('\n').filter((line) => line.startsWith(`[${who}] `));
    for (const who of ['main', 'vcpu0']) expect(byThread(stdout, who)).toEqual(byThread(run.stderr, who));
    const { exits } = JSON.parse(run.stdout);
    const { INTR = 0, ...served } = exits;
    const counts = JSON.parse((await cli(['trace', file, '--count', '--json'])).stdout);
    expect(counts.exits).toEqual(served);
    const all = Object.values(served as Record<string, number>).reduce((sum, n) => sum + n, INTR);
    expect(counts.ioctls.KVM_RUN).toMatchObject({ calls: all, errors: INTR });
    expect(counts.events).toBe(stdout.trimEnd().split('\n').length);
    // A trace may be written over.
    expect((await cli(['run', ...MEM, '-q', '--trace-file', file, guestPath('hello-long')])).status).toBe(0);
  });

  it('has two vCPUs and the owner in one order', async () => {
    using folder = scratch();
    const file = folder.file('t');
    expect((await cli(['run', ...MEM, '-q', '--cpus', '2', '--trace-file', file, guestPath('smp-2')])).status).toBe(0);
    const { events, ending } = await read(file);
    expect(ending).toEqual({ kind: 'whole' });
    expect(new Set(events.map(({ who }: { who: string }) => who))).toEqual(new Set(['main', 'vcpu0', 'vcpu1']));
    const ends = events.map(({ at, us = 0 }: { at: number; us?: number }) => Math.round(10 * (at + us))); // in tenths, which is what it has
    expect(ends).toEqual(ends.toSorted((a: number, b: number) => a - b));
    expect(events[0].at).toBeGreaterThanOrEqual(0);
    const where = (name: string, who: string) =>
      events.findIndex((event: { name: string; who: string }) => event.name === name && event.who === who);
    expect(where('KVM_CREATE_VM', 'main')).toBeLessThan(where('KVM_CREATE_VCPU', 'vcpu0'));
    for (const who of ['vcpu0', 'vcpu1']) {
      expect(where('KVM_CREATE_VCPU', who)).toBeGreaterThanOrEqual(0);
      expect(where('KVM_RUN', who)).toBeGreaterThan(where('KVM_CREATE_VCPU', who));
    }
  });
});
