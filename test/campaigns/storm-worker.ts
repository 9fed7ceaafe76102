/**
 * A process that does to a store all that can be done to one, until it is killed. Arguments: directory, its name, a seed, the
 * registry's repository. It prints a line before each step, and one when the step has been reported done.
 */
import { writeSync } from 'node:fs';
import { pull } from '../../snapshot/registry/pull.ts';
import { push } from '../../snapshot/registry/push.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { CheckpointError } from '../../src/errors.ts';
import { changedAt, memoryAt } from '../snapshot/store/child.ts';
import { CONFIG, random, runsOf } from '../snapshot/store/support.ts';
import { scaled } from '../support/time.ts';

/** All that a process does to a store. */
export const KINDS = ['commit', 'squash', 'tag', 'remove', 'gc', 'push', 'pull'] as const;

/** A line: what is begun, or what is done with the checkpoint that came of it. */
export interface Step {
  readonly at: 'begin' | 'done';
  readonly what: (typeof KINDS)[number];
  readonly digest?: string;
  /** The tag in the store that is moved, or the one in the registry. */
  readonly tag?: string;
}

/** Whether an error is one that another process of the storm may cause: what it took away is not there. */
const fromOthers = (error: unknown) => error instanceof CheckpointError && error.code === 'NOT_FOUND';

class Worker {
  readonly #store: Store;
  readonly #name: string;
  readonly #repository: string;
  readonly #next: (limit: number) => number;
  /** Its own checkpoints, the newest last. */
  readonly #own: Digest[] = [];
  #step: number;

  constructor(store: Store, name: string, seed: number, repository: string) {
    this.#store = store;
    this.#name = name;
    this.#repository = repository;
    this.#next = random(seed);
    this.#step = this.#next(1000);
  }

  readonly #tell = (step: Step) => writeSync(1, `${JSON.stringify(step)}\n`);

  #any(): Digest | undefined {
    return this.#own.length > 0 ? this.#own[this.#next(this.#own.length)] : undefined;
  }

  #commit(): void {
    const parent = this.#next(5) > 0 ? this.#own.at(-1) : undefined;
    const step = ++this.#step;
    const oracle = memoryAt(step);
    const tag = `${this.#name}-tip`;
    this.#tell({ at: 'begin', what: 'commit', tag });
    // Others have removed nothing of this worker's; a squash of its own is no parent of the step before.
    const runs = runsOf(oracle, parent && this.#steps.get(parent) === step - 1 ? changedAt(step) : oracle.keys());
    const input = { config: CONFIG, runs, tags: [tag], label: `${step}`, ...(parent && { parent }) };
    const { digest } = this.#store.commit(input);
    this.#tell({ at: 'done', what: 'commit', digest, tag });
    this.#keep(digest, step);
  }

  readonly #steps = new Map<Digest, number>();

  #keep(digest: Digest, step: number): void {
    this.#steps.set(digest, step);
    this.#own.push(digest);
  }

  #squash(from: Digest): void {
    const tag = `${this.#name}-whole`;
    this.#tell({ at: 'begin', what: 'squash', tag });
    const { digest } = this.#store.squash(from, [tag]);
    this.#tell({ at: 'done', what: 'squash', digest, tag });
    this.#keep(digest, this.#steps.get(from)!);
  }

  #tag(digest: Digest): void {
    const tag = `${this.#name}-${this.#next(3)}`;
    this.#tell({ at: 'begin', what: 'tag', digest, tag });
    this.#store.tag(digest, tag);
    this.#tell({ at: 'done', what: 'tag', digest, tag });
  }

  #remove(digest: Digest): void {
    this.#tell({ at: 'begin', what: 'remove', digest });
    this.#own.splice(this.#own.indexOf(digest), 1);
    this.#store.remove(digest);
    this.#tell({ at: 'done', what: 'remove', digest });
  }

  #gc(): void {
    this.#tell({ at: 'begin', what: 'gc' });
    this.#store.gc();
    this.#tell({ at: 'done', what: 'gc' });
  }

  async #push(digest: Digest): Promise<void> {
    const tag = `${this.#name}-${this.#next(3)}`;
    this.#tell({ at: 'begin', what: 'push', digest, tag });
    await push(this.#store, digest, `${this.#repository}:${tag}`, { plainHttp: true });
    this.#tell({ at: 'done', what: 'push', digest, tag });
  }

  async #pull(): Promise<void> {
    const tag = `${this.#name}-pulled`;
    this.#tell({ at: 'begin', what: 'pull', tag });
    const { digest } = await pull(this.#store, `${this.#repository}:shared`, { plainHttp: true, tag });
    this.#tell({ at: 'done', what: 'pull', digest, tag });
  }

  async step(): Promise<void> {
    const digest = this.#any();
    const choice = this.#next(16);
    if (!digest || choice < 5) return this.#commit();
    if (choice < 7) return this.#squash(digest);
    if (choice < 9) return this.#tag(digest);
    if (choice < 10) return this.#own.length > 2 ? this.#remove(digest) : undefined;
    if (choice < 12) return this.#gc();
    if (choice < 14) return this.#push(digest);
    return this.#pull();
  }
}

async function main([directory, name, seed, repository]: string[]): Promise<void> {
  using store = openStore(directory!, { lockTimeoutMs: scaled(60_000) });
  const worker = new Worker(store, name!, Number(seed), repository!);
  for (;;) {
    try {
      await worker.step();
    } catch (error) {
      if (!fromOthers(error)) throw error;
    }
  }
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith('/storm-worker.js')) await main(process.argv.slice(2));
