/** Builds guests: compiles what changed, links what is affected, leaves the rest alone. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { contractHeader } from '../contract.ts';
import type { GuestSource } from '../guest.ts';
import { contentKey, makeAtomically, readIfThere, writeIfDifferent } from './cache.ts';
import { BUILD_FOLDER, GUESTS_FOLDER } from './paths.ts';
import { type BuildPlan, buildPlan, type CompileStep } from './recipe.ts';
import { runCompiler, toolchainVersion } from './toolchain.ts';

/** What a build did, by guest name, and what the compiler had to say. */
export interface BuildReport {
  readonly built: readonly string[];
  readonly fresh: readonly string[];
  readonly compiled: number;
  readonly warnings: readonly string[];
}

interface Job {
  readonly guest: GuestSource;
  readonly plan: BuildPlan;
  readonly key: string;
}

/** Builds `guests` into `folder`, which also holds the generated contract.h and the object cache. */
export async function buildGuests(guests: readonly GuestSource[], folder: string): Promise<BuildReport> {
  const objects = join(folder, 'obj');
  mkdirSync(objects, { recursive: true });
  await writeIfDifferent(join(folder, 'contract.h'), contractHeader());

  const version = await toolchainVersion();
  const read = remembering((name: string) => readFileSync(join(GUESTS_FOLDER, name)));
  const common = contentKey([version, contractHeader(), ...headers().flatMap((name) => [name, read(name)])]);
  const stepKeys = remembering((flags: string) =>
    remembering((source: string) => contentKey([common, source, read(source), flags])),
  );
  const stepKey = (step: CompileStep) => stepKeys(step.flags.join(' '))(step.source);

  const jobs = guests.map((guest): Job => {
    const plan = buildPlan(guest);
    const script = plan.script === undefined ? '' : read(plan.script);
    return { guest, plan, key: contentKey([version, script, ...plan.linkFlags, ...plan.compile.map(stepKey)]) };
  });
  const stale = jobs.filter((job) => !isFresh(join(folder, job.guest.file), job.key));
  const warnings: string[] = [];
  const warn = (text: string) => warnings.push(text);

  const missing = new Map<string, CompileStep>();
  for (const step of stale.flatMap((job) => job.plan.compile)) {
    const key = stepKey(step);
    if (readIfThere(objectPath(objects, key)) === undefined) missing.set(key, step);
  }
  await inParallel([...missing], ([key, step]) =>
    makeAtomically(objectPath(objects, key), (temporary) => compile(step, folder, temporary, warn)),
  );
  await inParallel(stale, async (job) => {
    const inputs = job.plan.compile.map((step) => objectPath(objects, stepKey(step)));
    const output = join(folder, job.guest.file);
    await makeAtomically(output, (temporary) => link(job.plan, inputs, temporary, warn));
    await writeIfDifferent(stampPath(output), stamp(job.key, readFileSync(output)));
  });

  const built = stale.map((job) => job.guest.name);
  const fresh = jobs.filter((job) => !stale.includes(job)).map((job) => job.guest.name);
  return { built, fresh, compiled: missing.size, warnings };
}

/** Every header counts for every source: there are few, and tracking includes would cost more than it saves. */
function headers(): string[] {
  const folders = readdirSync(GUESTS_FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = folders
    .filter(({ name }) => name !== basename(BUILD_FOLDER))
    .flatMap(({ name }) => readdirSync(join(GUESTS_FOLDER, name)).map((file) => `${name}/${file}`));
  return names.filter((name) => name.endsWith('.h')).sort();
}

/** The function, asked only once for each argument. */
function remembering<T>(compute: (argument: string) => T): (argument: string) => T {
  const known = new Map<string, T>();
  return (argument) => {
    const value = known.get(argument) ?? compute(argument);
    known.set(argument, value);
    return value;
  };
}

const objectPath = (folder: string, key: string) => join(folder, `${key}.o`);
const stampPath = (output: string) => `${output}.stamp`;
const stamp = (key: string, output: Uint8Array) => `${key} ${contentKey([output])}\n`;

/** The stamp names the inputs and the output: a damaged guest is as stale as an outdated one. */
function isFresh(output: string, key: string): boolean {
  const bytes = readIfThere(output);
  return bytes !== undefined && readIfThere(stampPath(output))?.toString() === stamp(key, bytes);
}

function compile(step: CompileStep, folder: string, output: string, warn: (text: string) => void): Promise<string> {
  const include = [`-I${folder}`, '-Iruntime'];
  return runCompiler([...step.flags, ...include, '-c', step.source, '-o', output], warn);
}

function link(
  plan: BuildPlan,
  inputs: readonly string[],
  output: string,
  warn: (text: string) => void,
): Promise<string> {
  const script = plan.script === undefined ? [] : [`-Wl,-T,${plan.script}`];
  return runCompiler([...plan.linkFlags, ...script, ...inputs, '-o', output], warn);
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
