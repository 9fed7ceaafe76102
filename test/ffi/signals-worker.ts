/** The other thread of signals.test.ts: arms a timer of its own and says whether it was the one that was kicked. */
import { parentPort } from 'node:worker_threads';
import { blockKickSignal, clearKicks, KickTimer } from '../../src/ffi/signals.ts';
import { scaled } from '../support/time.ts';
import { pending, until } from './pending.ts';

blockKickSignal();
const timer = new KickTimer();
timer.arm(20);
const kicked = until(pending, scaled(5000));
clearKicks();
timer[Symbol.dispose]();
parentPort?.postMessage(kicked);
