/** Refuses very large machines: a checkpoint of unknown origin must not exhaust the host. */
import { totalmem } from 'node:os';
import { CheckpointError } from '../src/errors.ts';
import type { MachineDescription } from './machine-description.ts';

/** Most vCPUs that are allowed by default. */
const MANY_CPUS = 64;
/** What a vCPU's thread takes of this process. */
const THREAD_MIB = 16;

/** Throws CheckpointError TOO_LARGE, before anything is made, unless `allowed`. `ram`: this host's memory, in bytes. */
export function refuseLarge(
  { cpus, memory }: Pick<MachineDescription, 'cpus' | 'memory'>,
  allowed = false,
  ram = totalmem(),
): void {
  if (allowed) return;
  const needs = [
    cpus > MANY_CPUS && `${cpus} threads for its vCPUs, about ${gib(cpus * THREAD_MIB * 2 ** 20)} GiB`,
    memory > ram && `${gib(memory)} GiB of RAM where this host has ${gib(ram)} GiB`,
  ].filter(Boolean);
  if (needs.length === 0) return;
  throw new CheckpointError(
    'TOO_LARGE',
    `the checkpoint's machine needs ${needs.join(', and ')}; if that is what you want: --allow-large (allowLarge)`,
    { cpus, memory },
  );
}

const gib = (bytes: number) => Math.round((bytes / 2 ** 30) * 10) / 10;
