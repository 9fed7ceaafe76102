/**
 * Runs compiled test files on the host it is started on, without vitest's own start-up: `node dist/test/svm/inside.js
 * FILE…`. A file that kills or hangs the process is a failure of that file; the rest still runs. One line per file, failure
 * and skip, and the last line is `N passed, N failed, N skipped`. With TEST_ALIVE_MS it says "alive" that often.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAlive } from './alive.ts';
import { countLine, fileLine } from './counts.ts';
import { SKIPPED } from './excluded.ts';
import type { FileReport, TestReport } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const SILENCE_LIMIT_MS = Number(process.env.TEST_SILENCE_LIMIT_MS ?? 120_000);
const SLOW_MS = 3000;
const ALIVE_MS = Number(process.env.TEST_ALIVE_MS);

type Message = { readonly starting: string } | { readonly finished: TestReport } | { readonly done: FileReport };

/** Runs files until all are done or the process ends. Returns the file that was being run when it ended, if any. */
function runUntilItEnds(
  files: readonly string[],
  onReport: (report: FileReport) => void,
): Promise<Interrupted | undefined> {
  return new Promise((resolve) => {
    let current: string | undefined;
    let watchdog: NodeJS.Timeout | undefined;
    let timedOut = false;
    const child: ChildProcess = fork(WORKER, files, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('message', (message: Message) => {
      clearTimeout(watchdog);
      if ('done' in message) {
        current = undefined;
        onReport(message.done);
        return;
      }
      if ('starting' in message) current = message.starting;
      else reportSlow(message.finished);
      watchdog = setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, SILENCE_LIMIT_MS);
    });
    child.on('exit', (code, signal) => {
      clearTimeout(watchdog);
      const how = timedOut ? `no test ended for ${SILENCE_LIMIT_MS / 1000} s` : `process ended with ${signal ?? code}`;
      resolve(current === undefined ? undefined : { file: current, how });
    });
  });
}

function reportSlow({ name, failed, milliseconds }: TestReport): void {
  if (milliseconds > SLOW_MS) console.log(`  ${seconds(milliseconds)} s ${failed ? 'failed ' : ''}${name}`);
}

interface Interrupted {
  readonly file: string;
  readonly how: string;
}

/** Files that count what the process holds get a process of their own; the others share one, to save its start. */
const needsOwnProcess = (file: string) => basename(file) === 'leaks.test.js';

function nextBatch(files: readonly string[]): readonly string[] {
  const first = files.findIndex(needsOwnProcess);
  return first < 0 ? files : first === 0 ? files.slice(0, 1) : files.slice(0, first);
}

const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);
const short = (file: string) => relative(process.cwd(), file);
const firstLine = (text: string) => text.split('\n').slice(0, 3).join(' | ');

/** Skips that a rule explains are shown once, by the rule. */
const ruledOut = (name: string) => SKIPPED.some((rule) => rule.test(name));

async function main(files: readonly string[]): Promise<number> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const remaining = new Set(files);
  const onReport = (r: FileReport) => {
    remaining.delete(r.file);
    total.passed += r.passed;
    total.failed += r.failed.length;
    total.skipped += r.skipped.length;
    console.log(
      fileLine({
        file: short(r.file),
        passed: r.passed,
        failed: r.failed.length,
        skipped: r.skipped.length,
        seconds: r.milliseconds / 1000,
      }),
    );
    for (const name of r.skipped) if (!ruledOut(name)) console.log(`skipped ${name}`);
    for (const f of r.failed) console.log(`FAILED ${f.name}: ${firstLine(f.message)}`);
  };
  if (ALIVE_MS > 0) startAlive(ALIVE_MS);
  while (remaining.size > 0) {
    const before = remaining.size;
    const interrupted = await runUntilItEnds(nextBatch([...remaining]), onReport);
    if (interrupted) {
      remaining.delete(interrupted.file);
      total.failed++;
      console.log(fileLine({ file: short(interrupted.file), passed: 0, failed: 1, skipped: 0, seconds: 0 }));
      console.log(`FAILED ${short(interrupted.file)}: ${interrupted.how}`);
    } else if (remaining.size === before) {
      total.failed++;
      console.log('FAILED the test process ended before it began');
      break;
    }
  }
  if (process.env.SVMHOST) for (const { reason } of SKIPPED) console.log(`some skipped: ${reason}`);
  console.log(countLine(total));
  return total.failed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
