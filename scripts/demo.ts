/**
 * `npm run demo`: boots a shipped guest, checkpoints it twice, brings it back in a new process, and shows what changed
 * in between. Each command is shown before it runs, and can be typed as it is shown.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(ROOT, 'dist', 'tools', 'bin', 'vmlapse.js');

/** A guest that prints a hash of all its memory in each round, and ends with the last byte of the last one. */
const GUEST = 'guests/build/compute.elf';
/** Exits after which exactly two and four of its eight rounds are printed. */
const AFTER_ROUNDS = { two: 111, four: 175 };
const STATUS = 12;

/** A command line, the exit status it must end with, and how much of its output is shown. */
interface Step {
  readonly command: string;
  readonly status?: number;
  readonly lines?: number;
}

const STEPS: readonly Step[] = [
  { command: 'vmlapse info', lines: 3 },
  { command: `vmlapse inspect ${GUEST}` },
  {
    command: `vmlapse run --store lab --checkpoint-at exit:${AFTER_ROUNDS.two} --checkpoint-at exit:${AFTER_ROUNDS.four} ${GUEST}`,
    status: STATUS,
  },
  { command: 'vmlapse log --store lab' },
  { command: 'vmlapse restore --store lab latest~1', status: STATUS },
  { command: 'vmlapse diff --store lab --stat latest~1 latest' },
];

/** Runs a step in `folder`, printing as it goes; says whether it ended as it should. */
function show({ command, status = 0, lines }: Step, folder: string): boolean {
  console.log(`$ ${command}`);
  const words = command.split(' ').slice(1);
  const args = words.map((word) => (word === GUEST ? join(ROOT, GUEST) : word === 'lab' ? join(folder, 'lab') : word));
  const { status: ended, stdout } = spawnSync(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', lines === undefined ? 'inherit' : 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (lines !== undefined) console.log(`${stdout.split('\n').slice(0, lines).join('\n')}\n…`);
  console.log();
  if (ended === status) return true;
  console.error(`this should have ended with status ${status}, not ${ended}; what is missing says: vmlapse info`);
  return false;
}

const folder = mkdtempSync(join(tmpdir(), 'vmlapse-demo-'));
try {
  process.exitCode = STEPS.every((step) => show(step, folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
