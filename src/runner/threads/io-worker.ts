/** Entry of the thread that works on the queues of devices: disks and random numbers. It begins at rest. */
import { parentPort, workerData } from 'node:worker_threads';
import type { OutputChannel } from '../../devices/device.ts';
import { deviceLock } from '../../devices/devices.ts';
import { importDevices } from '../../devices/own.ts';
import { errorToData } from '../../errors.ts';
import { Machine } from '../../machine/machine.ts';
import { IoControl } from './io-control.ts';
import type { IoMessage, IoStart } from './io-thread.ts';
import { queuesOf, serveQueues } from './io-work.ts';
import { kickIfRunning, VcpuMailbox } from './mailbox.ts';
import { OutputRing } from './output.ts';
import { traceThread } from './trace-rings.ts';

const post = (message: IoMessage) => parentPort!.postMessage(message);

const { handle, control: buffer, mailboxes, notes, ...rings } = workerData as IoStart;
const control = new IoControl(buffer);

async function begin(): Promise<void> {
  try {
    traceThread('io', rings);
    const own = await importDevices(handle.deviceModule);
    const machine = Machine.borrow(handle, own);
    const first = new VcpuMailbox(mailboxes, 0);
    const ring = new OutputRing(notes);
    const output = (channel: OutputChannel, bytes: Uint8Array) => void (channel === 'notes' && ring.write(bytes));
    const { devices } = machine.attachBus(output, { shared: true, wake: () => kickIfRunning(first) });
    post({ kind: 'ready' });
    serveQueues(control, queuesOf(devices), deviceLock(handle.deviceState));
  } catch (error) {
    post({ kind: 'failed', error: errorToData(error) });
  } finally {
    control.leave();
  }
}

void begin(); // no await outside a function: see worker.ts
