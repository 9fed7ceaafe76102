/** Signs of life of a run on the second host, by which the one that waits for it knows that the host has not stood still. */
import { Worker } from 'node:worker_threads';
import { ALIVE } from './counts.ts';
import { startPulse } from './pulse.ts';

/** A line for which there is no room is not missed: others are on their way. */
const sayEvery = (ms: number) => `const { writeSync } = require('node:fs');
setInterval(() => { try { writeSync(1, '${ALIVE}\\n'); } catch {} }, ${ms});`;

/** Says it every `ms` milliseconds until the process ends; from a thread, since a run may not give its own one a turn for minutes. */
export function startAlive(ms: number): void {
  const noPulse = startPulse();
  if (noPulse) console.log(`the host may stand still: ${noPulse}`);
  new Worker(sayEvery(ms), { eval: true, execArgv: [] }).unref();
}
