/** One run on the second host: what it says is passed on, and a host that stands still is ended and begun again, once. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Counts, parseCounts } from './counts.ts';

/** A command on the host. */
export interface HostRun {
  readonly script: string;
  readonly args: readonly string[];
  /**
   * After so many milliseconds without a line the host itself stands still: what runs there ends a test that hangs sooner.
   * An emulated processor may lose its timer, and then nothing on that host wakes up any more.
   */
  readonly silenceMs: number;
  /** Takes each line, but for the sum. */
  readonly say: (line: string) => void;
}

const FAILED: Counts = { passed: 0, failed: 1, skipped: 0 };
const TRIES = 2;

/**
 * Runs it, and passes on what it says, but for its sum. A host that dies, or stands still twice, is a failure. What failed
 * before the host stood still has failed, also where it passes when it is begun again.
 */
export async function runOnHost(run: HostRun): Promise<Counts> {
  let failedBefore = 0;
  const say = (line: string) => {
    if (line.startsWith('FAILED ')) failedBefore++;
    run.say(line);
  };
  for (let tries = 1; ; tries++) {
    const before = failedBefore;
    const counts = await once({ ...run, say });
    if (counts !== 'still') return { ...counts, failed: counts.failed + before };
    const still = `the host has said nothing for ${run.silenceMs / 1000} s`;
    if (tries === TRIES) {
      run.say(`FAILED ${still}, ${TRIES} times`);
      return { ...FAILED, failed: FAILED.failed + failedBefore };
    }
    run.say(`${still}: its files are begun again on another`);
  }
}

function once({ script, args, silenceMs, say }: HostRun): Promise<Counts | 'still'> {
  const host = spawn(script, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let counts: Counts | undefined;
  let isStill = false;
  const watch = setTimeout(() => {
    isStill = true;
    host.kill();
  }, silenceMs);
  createInterface({ input: host.stdout }).on('line', (line) => {
    watch.refresh();
    counts = parseCounts(line) ?? counts;
    if (!parseCounts(line)) say(line);
  });
  return new Promise((done) => {
    host.on('error', (error) => say(`FAILED ${script}: ${error.message}`));
    host.on('close', (status) => {
      clearTimeout(watch);
      if (!counts && isStill) return done('still');
      if (!counts) say(`FAILED the host ended with ${status} before its tests did`);
      done(counts ?? FAILED);
    });
  });
}
