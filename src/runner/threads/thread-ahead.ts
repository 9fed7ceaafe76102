/** The start of a vCPU's thread, which may load its program before the machine is there: beside the modules of the owner. */
import { Worker } from 'node:worker_threads';
import type { ThreadStart } from './protocol.ts';
import { threadEnv } from './thread-env.ts';

/** worker.js as one file, which loads in half the time. */
const bundle = new URL('./worker.bundle.js', import.meta.url);

/** A thread that waits for what it is started with. */
let ahead: Worker | undefined;

/** Lets a thread load its program. The next vCPU takes it. It keeps a process alive; one that ends by exit() may leave it unused. */
export function loadThreadAhead(): void {
  ahead = new Worker(bundle, threadEnv()).on('error', forget);
}

/** What is wrong with it is told to whoever starts a thread and waits for it. */
function forget(): void {
  ahead = undefined;
}

/** Starts the thread of a vCPU, or hands what it is started with to the one that was loaded ahead. */
export function startThread(start: ThreadStart): Worker {
  // A module of devices must share classes with the library that it imports: with one, the library is loaded module by module.
  if (start.handle.deviceModule !== undefined) {
    return new Worker(new URL('./worker.js', import.meta.url), { ...threadEnv(), workerData: start });
  }
  if (!ahead) return new Worker(bundle, { ...threadEnv(), workerData: start });
  const worker = ahead.off('error', forget);
  ahead = undefined;
  worker.postMessage(start);
  return worker;
}
