/** Tells its owner whether the delays are in this thread. */
import { parentPort } from 'node:worker_threads';

parentPort!.postMessage(Atomics.compareExchange.name === 'delayed');
