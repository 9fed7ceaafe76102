import { describe, expect, it } from 'vitest';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { stopPoints } from '../../src/runner/stop-points.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { bytes, FakeVcpu, io } from './fake-vcpu.ts';
import { type CodeGuest, codeMachine, eventually, startCode } from './machines.ts';

describe('stop points', () => {
  /** Serves one exit after the other, each an OUT to the port given; what is said after each. */
  function answers(wanted: { exits?: number[]; ports?: number[] }, ports: readonly number[], end?: RunEnd) {
    const { area } = new FakeVcpu([]);
    let count = 0;
    const stop = stopPoints(wanted, area, () => count)!;
    return ports.map((port) => {
      count++;
      io('out', port, 1, bytes(0))?.(area);
      return stop(end);
    });
  }

  it('are exits by number and accesses by port', () => {
    expect(answers({ exits: [2, 4], ports: [0x80] }, [1, 1, 0x80, 1, 1])).toEqual([
      undefined,
      { reason: 'stop-point', stopPoint: 'exit:2' },
      { reason: 'stop-point', stopPoint: 'port:0x80' },
      { reason: 'stop-point', stopPoint: 'exit:4' },
      undefined,
    ]);
  });

  it('leave an end what it is, and say so where it is one of them', () => {
    const end = { reason: 'exit-port', value: 3 } as const;
    expect(answers({ ports: [0xf4] }, [0x80, 0xf4], end)).toEqual([end, { ...end, stopPoint: 'port:0xf4' }]);
  });

  it('do not take a signal for an exit', () => {
    const paused = { reason: 'interrupted' } as const;
    expect(answers({ exits: [1] }, [0x80], paused)[0]).toBe(paused);
  });
});

/**
 * Real mode, with DS and ES where there is no memory: movsb, then outsb to the debug exit, which reads ff. Either has two
 * exits, and the second one comes when the first is completed.
 */
const TWICE: CodeGuest = { mode: 'real', code: 'b8ffff 8ed8 8ec0 be2000 bf3000 fc a4 baf400 6e ebfe' };
const LIMIT = { timeoutMs: scaled(10_000) };
const END = { reason: 'exit-port', value: 0xff };

describeKvm('what a guest comes to while an instruction is completed', () => {
  it('is not lost: neither a stop point nor the end', async () => {
    await using started = await startCode(TWICE, { stopAt: { exits: [1, 2, 3, 4] } });
    for (const stopPoint of ['exit:1', 'exit:2', 'exit:3']) {
      expect(await started.running.run(LIMIT)).toMatchObject({ reason: 'stop-point', stopPoint });
      started.running.completePendingIo();
    }
    expect(await started.running.run(LIMIT)).toMatchObject({ ...END, stopPoint: 'exit:4', exits: { MMIO: 3, IO: 1 } });
  });

  it('is not lost in a HLT that waits, when the machine is paused there', async () => {
    await using started = await startCode(
      { mode: 'real', code: 'fb f4 ebfe', irqchip: false },
      { stopAt: { exits: [1] } },
    );
    const { running, machine } = started;
    const result = running.run(LIMIT);
    await eventually('the HLT', async () => (await running.threads[0]!.call('counts', undefined)).exits.HLT === 1);
    running.pause();
    running.resume();
    machine.lines.set(4, 1);
    expect(await result).toMatchObject({ reason: 'stop-point', stopPoint: 'exit:1' });
  });

  it('is forgotten when another state is loaded', async () => {
    await using started = await startCode(TWICE, { stopAt: { exits: [1, 2] } });
    const { running } = started;
    running.beginSave();
    const fresh = running.finishSave().map((record) => record.slice());
    await running.run();
    running.loadVcpus(fresh);
    expect(await running.run(LIMIT)).toMatchObject({ ...END, exits: { MMIO: 5, IO: 1 } });
  });

  it('is forgotten with a HLT that waited, when another state is loaded', async () => {
    await using started = await startCode(
      { mode: 'real', code: 'fb f4 f4 ebfd', irqchip: false },
      { stopAt: { exits: [1] } },
    );
    const { running } = started;
    const ended = running.run(LIMIT);
    const halted = async () => (await running.threads[0]!.call('counts', undefined)).exits.HLT === 1;
    await eventually('the HLT', halted);
    running.pause();
    running.beginSave();
    running.loadVcpus(running.finishSave().map((record) => record.slice()));
    running.machine.lines.set(4, 1);
    running.resume();
    await eventually('the next HLT', async () => (await running.threads[0]!.call('counts', undefined)).exits.HLT === 2);
    running.stop();
    expect(await ended).toMatchObject({ reason: 'interrupted' });
  });

  it('is not lost in the calling thread', () => {
    using machine = codeMachine(TWICE);
    const served = (exits: number) => (exits === 3 ? ({ reason: 'stop-point' } as const) : undefined);
    using local = new LocalMachine(machine, { served });
    expect(local.advance()).toEqual({ reason: 'stop-point' });
    local.completePendingIo();
    expect(local.advance(LIMIT.timeoutMs)).toEqual(END);
  });
});
