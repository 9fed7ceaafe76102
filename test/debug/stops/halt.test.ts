/** Steps over HLT: the guest waits in it, also where KVM emulates it and a step would not; and nothing of it comes later. */
import { expect, it } from 'vitest';
import { Debugger } from '../../../debug/stops/debugger.ts';
import { guestNamed } from '../../../guests/list.ts';
import { MP_STATES } from '../../../src/abi/flags.ts';
import { RFLAGS } from '../../../src/abi/registers.ts';
import { blockKickSignal, maskInsideRun } from '../../../src/ffi/signals.ts';
import type { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { haltAgain } from '../../../src/runner/stops/halt-again.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { startCode } from '../../runner/machines.ts';
import { machineOf } from '../../snapshot/fidelity/play.ts';
import { START, withVm } from '../../support/bare-vm.ts';
import { code } from '../../support/code.ts';
import { describeKvm } from '../../support/kvm.ts';

/** sti; hlt; cli: where the shipped guests wait. They lie above 1 MiB, within so many bytes. */
const WAITS = Buffer.from('fbf4fa', 'hex');
const CODE = { base: 0x100000, bytes: 0x10000 };

function waitIn(memory: GuestMemory): bigint {
  const at = Buffer.from(memory.read(CODE.base, CODE.bytes)).indexOf(WAITS);
  if (at < 0) throw new Error('the guest waits nowhere');
  return BigInt(CODE.base + at);
}

/** Runs a guest to where it waits for the first time: to its STI, or to the HLT behind it. */
async function atWait(name: string, irqchip: boolean, instruction: 'sti' | 'hlt' = 'sti') {
  const machine = machineOf(guestNamed(name), irqchip);
  let said = '';
  const running = await RunningMachine.start(machine, {
    serial(bytes) {
      said += Buffer.from(bytes).toString();
    },
  });
  const debug = Debugger.attach(running);
  const ended = running.run();
  const wait = waitIn(machine.memory) + (instruction === 'hlt' ? 1n : 0n);
  await debug.setBreakpoint(wait);
  expect(await debug.resume()).toMatchObject({ kind: 'software', address: wait });
  debug.clearBreakpoint(wait);
  return {
    ...{ running, debug, ended, wait, said: () => said },
    async [Symbol.asyncDispose]() {
      await running.close();
      machine[Symbol.dispose]();
    },
  };
}

describeKvm('a step over HLT', () => {
  it.each([true, false])('with interrupts off ends the run as halted, irqchip: %s', async (irqchip) => {
    await using started = await startCode({ mode: 'real', code: 'fa f4 90 90 ; cli; hlt', irqchip });
    const debug = Debugger.attach(started.running);
    const ended = started.running.run();
    expect(await debug.resume(['step'])).toMatchObject({ kind: 'step' });
    const stop = await debug.resume(['step']);
    const end = stop.kind === 'step' ? await debug.resume() : stop;
    expect(end).toMatchObject({ kind: 'end', end: { reason: 'halted' } });
    await debug.resume();
    expect((await ended).reason).toBe('halted');
  });

  it.each(['RUNNABLE', 'HALTED'] as const)(
    'that is made again leaves a vCPU halted behind it, one that is %s',
    (state) => {
      withVm({ irqchip: true }, (bare) => {
        const { vcpu } = bare;
        vcpu.setSignalMask(maskInsideRun(blockKickSignal()));
        bare.start(code('90 f4 90 ; nop; hlt; nop'));
        const regs = vcpu.getRegs();
        const behind = { rip: BigInt(START + 2), rflags: regs.rflags | RFLAGS.IF };
        vcpu.setRegs(Object.assign(regs, behind));
        vcpu.setMpState(MP_STATES[state]);
        expect(haltAgain(vcpu)).toBe(false);
        expect(vcpu.getMpState()).toBe(MP_STATES.HALTED);
        expect(vcpu.getRegs()).toMatchObject(behind);
      });
    },
  );

  it.each([1, 2, 3, 5, 20])(
    'leaves nothing that ends the guest later, %i steps on: it waits for a key',
    async (steps) => {
      await using guest = await atWait('interrupt', false);
      const { debug, running } = guest;
      running.send(Buffer.from('x'));
      for (let i = 0; i < steps; i++) expect(await debug.resume(['step'])).toMatchObject({ kind: 'step' });
      await debug.detach();
      expect(await guest.ended).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(guest.said()).toContain('received');
    },
  );

  it('waits until something comes', async () => {
    await using guest = await atWait('interrupt', false, 'hlt');
    const { debug, running, wait } = guest;
    let isOver = false;
    const stepped = debug.resume(['step']).finally(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isOver).toBe(false);
    running.send(Buffer.from('x'));
    expect(await stepped).toMatchObject({ kind: 'step' });
    expect((await debug.vcpu(0)).pc).toBe(wait + 1n);
    await debug.detach();
    expect(await guest.ended).toMatchObject({ reason: 'exit-port', value: 0 });
  });

  it.each(['timer-pit', 'timer-lapic'])('goes on with the next tick of an irqchip: %s', async (name) => {
    await using guest = await atWait(name, true, 'hlt');
    const { debug, wait } = guest;
    expect(await debug.resume(['step'])).toMatchObject({ kind: 'step' });
    if (debug.abilities.blockIrq) expect((await debug.vcpu(0)).pc).toBe(wait + 1n);
    for (let i = 0; i < 19; i++) expect(await debug.resume(['step'])).toMatchObject({ kind: 'step' });
    await debug.detach();
    expect(await guest.ended).toMatchObject({ reason: 'exit-port', value: 0 });
  });
});
