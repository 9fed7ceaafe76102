/**
 * A process that writes to a store, for the tests that kill it or run two of them.
 * Arguments: directory, tag of its branch, first step, last step. Prints each step once its checkpoint is done.
 */
import { writeSync } from 'node:fs';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, type Oracle, pageOf, runsOf } from './support.ts';

const PAGES = 90;

/** Made once: from one step to the next all pages but one stay as they are. */
const made = new Map<number, Uint8Array>();

function pageMade(seed: number): Uint8Array {
  const page = made.get(seed) ?? pageOf(seed);
  made.set(seed, page);
  return page;
}

/** The memory after a step, which depends on nothing else. */
export function memoryAt(step: number): Oracle {
  const oracle: Oracle = new Map();
  for (let page = 0; page < PAGES; page++) {
    const last = step - ((((step - page) % PAGES) + PAGES) % PAGES);
    oracle.set(page, pageMade(last >= 0 ? page * 1000 + last : page));
  }
  return oracle;
}

/** The pages that differ between the memory at a step and the step before. */
export function changedAt(step: number): number[] {
  return [step % PAGES];
}

function main([directory, tag, from, to]: string[]): void {
  using store = openStore(directory!, { create: true });
  let parent = store.index().heads.find((head) => head.tag === tag)?.digest;
  for (let step = Number(from); step <= Number(to); step++) {
    const oracle = memoryAt(step);
    const runs = runsOf(oracle, parent ? changedAt(step) : oracle.keys());
    parent = store.commit({ config: CONFIG, runs, tags: [tag!], label: `${step}`, ...(parent && { parent }) }).digest;
    writeSync(1, `${step} ${parent}\n`);
    if (step % 10 === 9) store.gc();
  }
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith('/child.js')) main(process.argv.slice(2));
