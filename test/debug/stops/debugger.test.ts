/** A debugger over a machine of a few instructions: stops, steps, registers, memory, and that nothing of it is left. */
import { expect, it } from 'vitest';
import { Debugger } from '../../../debug/stops/debugger.ts';
import { REGISTERS } from '../../../debug/stops/registers.ts';
import { guestNamed } from '../../../guests/list.ts';
import { RFLAGS } from '../../../src/abi/registers.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { CODE, eventually, failNextStop, startCode } from '../../runner/machines.ts';
import { machineOf } from '../../snapshot/fidelity/play.ts';
import { describeKvm } from '../../support/kvm.ts';

/** mov al, 'a'; out 0xe9, al; inc ecx; inc ecx; mov [0x9100], cl; in al, 0xe9; mov bl, al; mov al, 5; out 0xf4, al; hlt */
const PROGRAM = 'b061 e6e9 ffc1 ffc1 880d00910000 e4e9 88c3 b005 e6f4 f4';
const protectedCode = () => startCode({ mode: 'protected', code: PROGRAM });

const registerOf = (dbg: Debugger, name: string, vcpu = 0) =>
  dbg.vcpu(vcpu).then(({ registers }) => {
    const bytes = REGISTERS.find((register) => register.name === name)!.read(registers);
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  });

const FRAME_BYTES = 40n;
const MOST_STEPS = 1000;

/** Steps until an interrupt comes in one: RIP, CS, RFLAGS, RSP and SS as they are on the stack of long mode. */
async function frameOfStep(dbg: Debugger): Promise<BigUint64Array> {
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const rsp = await registerOf(dbg, 'rsp');
    const at = (rsp & ~15n) - FRAME_BYTES;
    await dbg.resume(['step']);
    const { memory } = await dbg.vcpu(0);
    const frame = new BigUint64Array(memory.read(at, Number(FRAME_BYTES)).slice().buffer);
    if (frame[3] === rsp && (await registerOf(dbg, 'rsp')) <= at) return frame;
  }
  throw new Error('no interrupt came');
}

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

  it('runs to each exit, once for an instruction that makes two, with what the exit brought', async () => {
    // mov al, 'a'; out 0xe9, al; inc ecx; in al, 0xe9; mov bl, al; push [0xd0000000], no RAM; pop [0xd0000000]; mov al, 5; out 0xf4, al
    const code = 'b061 e6e9 ffc1 e4e9 88c3 ff35000000d0 8f05000000d0 b005 e6f4 f4';
    await using started = await startCode({ mode: 'protected', code });
    const { running } = started;
    const dbg = Debugger.attach(running);
    const ended = running.run();
    expect(await dbg.resume(['exit'])).toEqual({ vcpu: 0, kind: 'exit', exit: 'IO out 0xe9 61' });
    expect(await registerOf(dbg, 'rcx')).toBe(0n);
    expect(await dbg.resume(['exit'])).toMatchObject({ exit: 'IO in 0xe9 1 byte' });
    expect([(await dbg.vcpu(0)).pc, await registerOf(dbg, 'rax')]).toEqual([BigInt(CODE + 8), 0xe9n]);
    expect(await dbg.resume(['exit'])).toMatchObject({ exit: 'MMIO read 0xd0000000 4 bytes' });
    expect((await dbg.vcpu(0)).pc).toBe(BigInt(CODE + 16));
    expect(await dbg.resume(['exit'])).toMatchObject({ exit: 'MMIO write 0xd0000000 ffffffff' });
    expect(await dbg.resume(['exit'])).toMatchObject({ kind: 'end', end: { reason: 'exit-port', value: 5 } });
    expect(await dbg.resume()).toMatchObject({ kind: 'over' });
    await ended;
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

  it('leaves no trap flag in the frame of an interrupt that comes in a step', async () => {
    using machine = machineOf(guestNamed('interrupt'), false);
    let said = '';
    const running = await RunningMachine.start(machine, {
      serial(bytes) {
        said += Buffer.from(bytes).toString();
      },
    });
    const dbg = Debugger.attach(running);
    const ended = running.run();
    const waits = dbg.resume();
    await eventually('the guest waits', () => said.endsWith('0x24\n'));
    dbg.interrupt();
    expect(await waits).toMatchObject({ kind: 'interrupt' });
    running.send(Buffer.from('x'));
    const [, cs, flags, , ss] = await frameOfStep(dbg);
    expect([cs, ss]).toEqual([await registerOf(dbg, 'cs'), await registerOf(dbg, 'ss')]);
    expect(flags! & RFLAGS.TF).toBe(0n);
    await dbg.detach();
    expect(await ended).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(said).toContain('received');
    await running.close();
  });

  it('waits for nothing once the run has been ended from outside', async () => {
    await using started = await protectedCode();
    const dbg = Debugger.attach(started.running);
    const ended = started.running.run();
    started.running.stop();
    const end = await ended;
    const late = dbg.resume(['step']); // is being prepared when the end is told
    dbg.over(end);
    expect(await late).toMatchObject({ kind: 'over', end: { reason: 'interrupted' } });
    expect(await dbg.resume()).toMatchObject({ kind: 'over' });
  });

  it('leaves none where the step into a handler is ended from outside', async () => {
    // mov sp, 0x7000; mov word [0x100], 0x9013; mov word [0x102], 0; int 0x40; jmp here, which is at 0x9013
    const code = 'bc0070 c70600011390 c70602010000 cd40 ebfe ebfe';
    await using started = await startCode({ mode: 'real', code });
    const dbg = Debugger.attach(started.running);
    const ended = started.running.run();
    for (let i = 0; i < 3; i++) expect((await dbg.resume(['step'])).kind).toBe('step');
    const over = dbg.resume(['step']); // on some hosts the handler is a part of it
    await eventually('the interrupt is taken', () => started.machine.memory.readUint(0x6ffa, 2) === 0x9011n);
    dbg.interrupt();
    await over;
    expect(started.machine.memory.readUint(0x6ffe, 2) & RFLAGS.TF).toBe(0n);
    started.running.stop();
    dbg.over(await ended);
  });

  it.each([
    ['to step', ['step']],
    ['to stay', ['stay', 'run']],
  ] as const)('that leaves while a resume is being prepared leaves no vCPU that was told %s', async (_, actions) => {
    await using started = await startCode({ mode: 'protected', code: PROGRAM, cpus: actions.length });
    const { running } = started;
    const dbg = Debugger.attach(running);
    const ended = running.run();
    const late = dbg.resume(actions);
    await dbg.detach({ resume: false });
    expect(await late).toEqual({ vcpu: 0, kind: 'interrupt' });
    expect(running.parked.size).toBe(0);
    running.resume();
    expect(await ended).toMatchObject({ reason: 'exit-port', value: 5 });
  });

  it.each(['interrupt', 'detach'] as const)('that cannot stop the machine says so and can be left: %s', async (how) => {
    await using started = await startCode({ mode: 'protected', code: 'ebfe' });
    const { running, machine } = started;
    const dbg = Debugger.attach(running);
    const ended = running.run();
    const far = CODE + 0x100;
    if (dbg.abilities.kernel.software) await dbg.setBreakpoint(BigInt(far)); // elsewhere there are no bytes
    const stopped = dbg.resume().catch((error: unknown) => error);
    await eventually('it runs', () => running.running);
    const error = failNextStop(running);
    if (how === 'interrupt') dbg.interrupt();
    else await expect(dbg.detach()).rejects.toBe(error);
    expect(running.beforeEnd === undefined).toBe(how === 'detach');
    expect(await stopped).toBe(error);
    expect(machine.memory.read(far, 1)[0]).toBe(0);
    await dbg.detach();
    expect([running.beforeEnd, machine.pages.cleaner, running.running]).toEqual([undefined, undefined, true]);
    running.stop();
    await ended;
    await Debugger.attach(running).detach();
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
