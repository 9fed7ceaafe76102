import { expect, it } from 'vitest';
import { VcpuGroup } from '../../src/runner/threads/vcpu-group.ts';
import type { VcpuThread } from '../../src/runner/threads/vcpu-thread.ts';

/** A thread that pauses and saves at once, and writes down what it was asked for. */
function fakeThread(id: number, asked: string[]): VcpuThread {
  let paused = false;
  const control = { pending: false, failed: false, waitUntil: (done: () => boolean) => done() };
  const thread = {
    id,
    control,
    isExchanging: false,
    get isPaused() {
      return paused;
    },
    requestPause: () => {
      paused = true;
      asked.push(`pause ${id}`);
    },
    requestState: () => {
      paused = true;
      asked.push(`save ${id}`);
    },
  };
  return thread as unknown as VcpuThread;
}

const begun = (cpus: number) => {
  const asked: string[] = [];
  const group = new VcpuGroup({ drain: () => {}, failure: () => undefined });
  for (let id = 0; id < cpus; id++) group.threads.push(fakeThread(id, asked));
  group.beginSave();
  return asked;
};

it('no vCPU is saved while another still runs, and could interrupt it', () => {
  expect(begun(3)).toEqual(['pause 0', 'pause 1', 'pause 2', 'save 0', 'save 1', 'save 2']);
});

it('a single vCPU pauses and saves in one go', () => {
  expect(begun(1)).toEqual(['save 0']);
});
