/** A debugger over a machine of a few instructions: stops, steps, registers, memory, and that nothing of it is left. */
import { expect, it } from 'vitest';
import { Debugger } from '../../../debug/stops/debugger.ts';
import { REGISTERS } from '../../../debug/stops/registers.ts';
import { CODE, startCode } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';

/** mov al, 'a'; out 0xe9, al; inc ecx; inc ecx; mov [0x9100], cl; in al, 0xe9; mov bl, al; mov al, 5; out 0xf4, al; hlt */
const PROGRAM = 'b061 e6e9 ffc1 ffc1 880d00910000 e4e9 88c3 b005 e6f4 f4';
const protectedCode = () => startCode({ mode: 'protected', code: PROGRAM });

const registerOf = (dbg: Debugger, name: string, vcpu = 0) =>
  dbg.vcpu(vcpu).then(({ registers }) => {
    const bytes = REGISTERS.find((register) => register.name === name)!.read(registers);
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  });

describeKvm('a debugger', () => {
  it('steps through instructions, one at a time, also those that exit', async () => {
    await using started = await protectedCode();
    const { running } = started;
    const dbg = Debugger.attach(running);
    const ended = running.run();
    const places: bigint[] = [];
    for (let i = 0; i < 8; i++) {
      const stop = await dbg.resume(['step']);
      expect(stop).toMatchObject({ vcpu: 0, kind: 'step' });
      places.push((await dbg.vcpu(0)).pc - BigInt(CODE));
    }
    expect(places).toEqual([2n, 4n, 6n, 8n, 14n, 16n, 18n, 20n]);
    expect(await registerOf(dbg, 'rcx')).toBe(2n);
    expect(started.machine.memory.read(0x9100, 1)[0]).toBe(2);
    expect(await dbg.resume()).toMatchObject({ kind: 'end', end: { reason: 'exit-port', value: 5 } });
    expect(await dbg.resume()).toMatchObject({ kind: 'over' });
    expect(await ended).toMatchObject({ reason: 'exit-port', value: 5 });
  });

  it("stops at a breakpoint, with the guest's own byte in memory, and goes on from it", async () => {
    await using started = await protectedCode();
    const { running, machine } = started;
    const dbg = Debugger.attach(running);
    const ended = running.run();
    const place = BigInt(CODE + 6);
    await dbg.setBreakpoint(place);
    expect(await dbg.resume()).toEqual({ vcpu: 0, kind: 'software', address: place });
    expect((await dbg.vcpu(0)).pc).toBe(place);
    expect(await registerOf(dbg, 'rcx')).toBe(1n);
    expect(await registerOf(dbg, 'rax')).toBe(0x61n);
    expect(Buffer.from(machine.memory.read(CODE, 8)).toString('hex')).toBe('b061e6e9ffc1ffc1');
    expect(dbg.clearBreakpoint(place)).toBe(true);
    expect((await dbg.resume()).kind).toBe('end');
    await dbg.resume();
    await ended;
  });

  it('leaves no trap flag in what a stepped instruction pushes', async () => {
    await using started = await startCode({ mode: 'protected', code: '9c 58 ebfe' }); // pushf; pop eax
    const { running } = started;
    const dbg = Debugger.attach(running);
    void running.run().catch(() => {});
    for (let i = 0; i < 2; i++) expect((await dbg.resume(['step'])).kind).toBe('step');
    expect((await registerOf(dbg, 'rax')) & 0xfffn).toBe(2n);
    await dbg.detach();
  });
});
