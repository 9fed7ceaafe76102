/**
 * `npm run storm [-- N [SEED[:FIRST]]]`: processes that commit, squash, tag, remove, collect, push and pull in one store at once
 * are killed (SIGKILL) at random moments. After each kill the store opens and verifies; when all are dead, every
 * checkpoint that was reported is there and gives back its memory, every tag and everything pushed is what was reported.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tied } from '../../bench/tied.ts';
import { push } from '../../snapshot/registry/push.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { fakeRegistry } from '../snapshot/registry/fake-registry.ts';
import { type Held, honest } from '../snapshot/registry/honest.ts';
import { memoryAt } from '../snapshot/store/child.ts';
import { CONFIG, contentOf, differences, random, runsOf, temporaryDirectory } from '../snapshot/store/support.ts';
import { scaled } from '../support/time.ts';
import { caseSeed, runCampaign } from './campaign.ts';
import { type Reported, reported } from './storm-report.ts';
import { KINDS, type Step } from './storm-worker.ts';

const STANDARD = 50;
const WORKERS = 3;
/** Waves of processes in one store: those of the second find what the first have left. */
const WAVES = 2;
/** A worker is killed after at most so many steps, and at most so many milliseconds into the next ones. */
const MOST = { steps: 12, ms: 60 } as const;
const STEPS_LIMIT_MS = scaled(60_000);
const CHILD = fileURLToPath(new URL('./storm-worker.js', import.meta.url));
const SHARED_STEP = 7;
/** In so many storms each kind of step is done many times. */
const ENOUGH_FOR_ALL_KINDS = 20;

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly closed: Promise<unknown>;
  readonly steps: Step[];
  complaint: string;
}

function startWorker(directory: string, name: string, seed: number, repository: string): Running {
  const [command, args] = tied(process.execPath, [CHILD, directory, name, `${seed}`, repository]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const running: Running = { name, child, closed, steps: [], complaint: '' };
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop()!;
    running.steps.push(...lines.map((line) => JSON.parse(line) as Step));
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    running.complaint += chunk;
  });
  return running;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a worker has done so many steps. Throws when it ends by itself or hangs. */
async function stepsDone(running: Running, count: number): Promise<void> {
  const { name, child, steps } = running;
  const deadline = performance.now() + STEPS_LIMIT_MS;
  while (steps.filter(({ at }) => at === 'done').length < count) {
    const where = () => `after ${JSON.stringify(steps.at(-1))}: ${running.complaint}`;
    if (child.exitCode !== null) throw new Error(`${name} ended ${where()}`);
    if (performance.now() > deadline) throw new Error(`${name} goes on no more ${where()}`);
    await pause(1);
  }
}

/** The store can be opened and read while the others go on, whatever the one that was killed has left. */
function expectReadable(directory: string): void {
  using store = openStore(directory, { readOnly: true });
  if (store.log().length > 0) store.open('latest')[Symbol.dispose]();
  const { problems } = store.verify();
  if (problems.length > 0) throw new Error(`verify without the lock: ${JSON.stringify(problems).slice(0, 500)}`);
}

/** Nothing runs: what is there is all that was reported. */
function expectWhole(directory: string, { checkpoints, tags, mayBeGone }: Reported): void {
  using store = openStore(directory);
  const { problems } = store.verify();
  if (problems.length > 0) throw new Error(`verify: ${JSON.stringify(problems).slice(0, 500)}`);
  for (const digest of checkpoints) {
    if (mayBeGone.has(digest) && store.blobs.sizeOf(digest as `sha256:${string}`) === undefined) continue;
    using checkpoint = store.open(digest);
    const wrong = differences(memoryAt(Number(checkpoint.info.label)), contentOf(checkpoint));
    if (wrong.length > 0) throw new Error(`${digest} gives back other memory: ${wrong.slice(0, 5).join(', ')}`);
  }
  for (const [tag, digests] of tags) {
    const found = store.index().heads.find((head) => head.tag === tag)?.digest;
    const right =
      found === undefined
        ? digests.some((digest) => digest === undefined || mayBeGone.has(digest))
        : digests.includes(found);
    if (!right) throw new Error(`tag ${tag} names ${found}, not ${digests.join(' or ')}`);
  }
}

interface Blob {
  readonly digest: string;
}

function expectPushed(held: Held, pushed: Reported['pushed']): void {
  for (const digest of pushed) {
    const manifest = held.get(`/v2/storm/manifests/${digest}`);
    if (!manifest) throw new Error(`${digest} was pushed, and the registry has no such manifest`);
    const { config, layers } = JSON.parse(Buffer.from(manifest).toString()) as { config: Blob; layers: Blob[] };
    for (const { digest: blob } of [config, ...layers])
      if (!held.has(`/v2/storm/blobs/${blob}`)) throw new Error(`${digest} was pushed, and the registry lacks ${blob}`);
  }
}

/** After gc nothing is left of the dead. */
function expectClean(directory: string): void {
  using store = openStore(directory);
  store.gc();
  const { problems } = store.verify();
  if (problems.length > 0) throw new Error(`verify after gc: ${JSON.stringify(problems).slice(0, 500)}`);
  const left = readdirSync(join(directory, 'tmp'));
  if (left.length > 0) throw new Error(`tmp/ still holds ${left.join(', ')}`);
}

/** One wave: all are started, and killed one by one. Returns what each has reported. */
async function wave(directory: string, repository: string, names: readonly string[], next: (limit: number) => number) {
  const workers = names.map((name) => startWorker(directory, name, next(2 ** 31), repository));
  try {
    for (const worker of workers.toSorted(() => next(3) - 1)) {
      const { child, closed } = worker;
      await stepsDone(worker, next(MOST.steps));
      await pause(next(MOST.ms));
      child.kill('SIGKILL');
      await closed;
      expectReadable(directory);
    }
    return workers.map(({ steps }) => steps);
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
    await Promise.all(workers.map(({ closed }) => closed));
  }
}

/** Returns the steps that were reported done. */
async function storm(seed: number): Promise<Step[]> {
  const next = random(seed);
  const held: Held = new Map();
  using directory = temporaryDirectory();
  await using registry = await fakeRegistry(honest(held));
  const repository = `${registry.host}/storm`;
  const path = join(directory.path, 'store');
  {
    using store = openStore(path, { create: true });
    const oracle = memoryAt(SHARED_STEP);
    const input = { config: CONFIG, runs: runsOf(oracle, oracle.keys()), label: `${SHARED_STEP}`, tags: ['shared'] };
    await push(store, store.commit(input).digest, `${repository}:shared`, { plainHttp: true });
    store.remove('shared');
  }
  const all: Step[][] = [];
  for (let number = 0; number < WAVES; number++) {
    const names = Array.from({ length: WORKERS }, (_, i) => `w${number}-${i}`);
    all.push(...(await wave(path, repository, names, next)));
    const so = reported(all);
    expectWhole(path, so);
    expectPushed(held, so.pushed);
  }
  expectClean(path);
  expectWhole(path, reported(all));
  return all.flat().filter(({ at }) => at === 'done');
}

await runCampaign('storm', STANDARD, [], async ({ count, seed, first }, tally) => {
  const done = new Map<Step['what'], number>(KINDS.map((kind) => [kind, 0]));
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      for (const { what } of await storm(caseSeed(seed, number))) done.set(what, done.get(what)! + 1);
      const never = KINDS.filter((kind) => done.get(kind) === 0);
      // A worker passes over what is not found, since others may have removed it: nothing else shows that none was done.
      if (count >= ENOUGH_FOR_ALL_KINDS && number === first + count - 1 && never.length > 0)
        throw new Error(`in all ${count} storms no ${never.join(', no ')} was done`);
      tally.pass();
    } catch (error) {
      tally.fail(number, `storm ${number}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  const kinds = [...done].map(([kind, steps]) => `${kind} ${steps}`).join(', ');
  console.log(`${tally.count.passed * WORKERS * WAVES} processes killed; steps they reported done: ${kinds}`);
});
