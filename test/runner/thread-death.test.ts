/** A vCPU thread that ends without a word. Its vCPU stays open, so this is the only test in its process. */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { HostError } from '../../src/errors.ts';
import { isRunning } from '../../src/runner/threads/mailbox.ts';
import type { VcpuThread } from '../../src/runner/threads/vcpu-thread.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';
import { eventually, startCode } from './machines.ts';

const SPIN = 'ebfe';

describeKvm('a vCPU thread that ends without a word', () => {
  it('is noticed by a pause, which names its vCPU, and fails the run', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN, cpus: 2 });
    const { running } = machine;
    const result = running.run();
    const failed = expect(result).rejects.toThrow(/the thread of vCPU 1 has ended/);
    const worker = await workerOf(running.threads[1]!);
    await eventually('vCPU 1 is in the guest', () => isRunning(running.threads[1]!.mailbox.look()));
    void worker.terminate(); // what Node does to a thread that runs out of memory; the event of it comes after the pause
    const error = thrown(HostError, () => running.pause());
    expect(error).toMatchObject({ code: 'VCPU_GONE', details: { vcpu: 1 } });
    await failed;
    await expect(running.threads[1]!.call('regs', undefined)).rejects.toThrow(/vCPU 1/);
  });
});

/** The worker behind a thread: the one that a call is posted to. */
async function workerOf(thread: VcpuThread): Promise<Worker> {
  const { postMessage } = Worker.prototype;
  const posted: Worker[] = [];
  Worker.prototype.postMessage = function (this: Worker, ...args) {
    posted.push(this);
    return postMessage.apply(this, args);
  };
  try {
    await thread.call('counts', undefined);
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
  return posted[0]!;
}
