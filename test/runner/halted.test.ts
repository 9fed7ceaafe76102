import { expect, it } from 'vitest';
import { runHere } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { CODE, codeMachine, eventually, type Started, startCode, startGuest } from './machines.ts';

/** cli; hlt */
const HALT = 'fa f4';
/** sti; hlt; jmp back to the hlt */
const SLEEP = 'fb f4 ebfd';
const SPIN = 'ebfe';

/**
 * 32-bit code: sends INIT and then a start-up IPI with vector 8 to the processor with APIC id 1, through the local
 * APIC's interrupt command register (SDM volume 3, section 11.6.1).
 */
const WAKE_1 = [
  'c705 f000e0fe ff010000', // mov dword [0xfee000f0], 0x1ff: the APIC on
  'c705 1003e0fe 00000001', // mov dword [0xfee00310], 1 << 24
  'c705 0003e0fe 00450000', // mov dword [0xfee00300], 0x4500
  'b9 10270000 e2fe', //       mov ecx, 10000; loop
  'c705 0003e0fe 08460000', // mov dword [0xfee00300], 0x4608
].join(' ');

describeKvm('halted for good', () => {
  it.each([
    { cpus: 1, irqchip: true },
    { cpus: 1, irqchip: false },
    { cpus: 2, irqchip: true },
    { cpus: 4, irqchip: true },
  ])('HLT with interrupts off is noticed: %o', async ({ cpus, irqchip }) => {
    await using machine = await startCode({ mode: 'real', code: HALT, cpus, irqchip });
    expect(await machine.running.run({ timeoutMs: scaled(20_000) })).toMatchObject({ reason: 'halted' });
  });

  it.each([true, false])('also with the vCPU in this thread (irqchip: %s)', (irqchip) => {
    using machine = codeMachine({ mode: 'real', code: HALT, irqchip });
    expect(runHere(machine, { timeoutMs: scaled(10_000) })).toMatchObject({ reason: 'halted', vcpu: 0 });
  });

  it('a processor that was started and halts as well', async () => {
    const code = `${WAKE_1} ${HALT}`;
    await using machine = await startCode({ mode: 'protected', code, apCode: `b001 e680 ${HALT}`, cpus: 2 });
    const result = await machine.running.run({ timeoutMs: scaled(10_000) });
    expect(result).toMatchObject({ reason: 'halted', ports: { 'out 0x80': 1 } });
  });

  it('one processor halts, the other works: not halted, and hardly disturbed', async () => {
    const code = `${WAKE_1} ${HALT}`;
    await using machine = await startCode({ mode: 'protected', code, apCode: SPIN, cpus: 2 });
    const result = await machine.running.run({ timeoutMs: scaled(1000) });
    expect(result.reason).toBe('timeout');
    expect(result.exits.INTR).toBeLessThan(60 * scaled(1));
  });

  it('processors that were never started do not disturb the one that runs', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN, cpus: 4 });
    const result = await machine.running.run({ timeoutMs: scaled(1000) });
    expect(result.reason).toBe('timeout');
    expect(result.exits.INTR).toBeLessThan(scaled(80));
  });

  it('an end that is still being looked into when its run is over ends no later run', async () => {
    await using machine = await startCode({ mode: 'protected', code: `${WAKE_1} ${HALT}`, apCode: HALT, cpus: 2 });
    const { running } = machine;
    running.beginSave();
    const start = running.finishSave().map((record) => record.slice());
    const [thread] = running.threads;
    const call = thread!.call.bind(thread);
    const answers: (() => void)[] = [];
    thread!.call = async (name, args) => {
      const answer = await call(name, args);
      if (name === 'haltedForGood') await new Promise<void>((resolve) => answers.push(resolve));
      return answer;
    };
    const first = running.run();
    await eventually('all have halted', () => answers.length > 0);
    running.stop();
    expect((await first).reason).toBe('interrupted');
    running.loadVcpus(start);
    machine.machine.memory.write(CODE, Buffer.from(SPIN, 'hex'));
    const second = running.run({ timeoutMs: scaled(300) });
    for (const answer of answers) answer();
    expect((await second).reason).toBe('timeout');
  });

  it('a pause is kept when a processor halts meanwhile', async () => {
    const code = `${WAKE_1} ${HALT}`;
    const apCode = 'b001 e680 ebfa'; // mov al, 1; out 0x80, al; jmp back
    await using machine = await startCode({ mode: 'protected', code, apCode, cpus: 2 });
    const { running } = machine;
    const result = running.run();
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 7));
      running.pause();
      await new Promise((resolve) => setTimeout(resolve, 3));
      expect(running.threads.every((thread) => thread.isPaused)).toBe(true);
      expect(running.running).toBe(false);
      running.resume();
    }
    running.stop();
    expect((await result).reason).toBe('interrupted');
  });
});

describeKvm('asleep is not halted', () => {
  it('HLT with interrupts on, and nothing that would interrupt', async () => {
    await using machine = await startCode({ mode: 'real', code: SLEEP });
    expect((await machine.running.run({ timeoutMs: 600 })).reason).toBe('timeout');
  });

  it('the same without irqchip: the thread sleeps, the guest does not run on by itself', async () => {
    await using machine = await startCode({ mode: 'real', code: `${SLEEP}`, irqchip: false });
    const { running } = machine;
    const result = running.run();
    const hlts = async () => (await running.threads[0]!.call('counts', undefined)).exits.HLT;
    await eventually('a HLT', async () => (await hlts()) !== undefined);
    for (let i = 0; i < 5; i++) {
      running.pause();
      running.resume();
      expect(await hlts()).toBe(1);
    }
    running.stop();
    expect(await result).toMatchObject({ reason: 'interrupted', exits: { HLT: 1 } });
    expect((await running.run({ timeoutMs: 20 })).exits.HLT).toBe(1);
  });

  it('a guest that sleeps between slow timer ticks comes to its end', async () => {
    const { started, counter } = await startGuest('timer-pit', { param_hz: 19, param_ticks: 4 });
    await using machine: Started = started;
    expect(await machine.running.run()).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(counter('timer_ticks')).toBeGreaterThanOrEqual(4);
  });

  it('a paused guest is not halted either, and sleeps on when resumed', async () => {
    await using machine = await startCode({ mode: 'real', code: HALT });
    machine.running.pause();
    const result = machine.running.run();
    expect((await result).reason).toBe('halted');
    expect((await machine.running.run()).reason).toBe('halted');
  });
});
