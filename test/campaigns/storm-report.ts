/** What processes that were killed had reported, put together. */
import type { Step } from './storm-worker.ts';

export interface Reported {
  /** Checkpoints that were reported done, in the store. */
  readonly checkpoints: ReadonlySet<string>;
  /** Those whose removal was begun. */
  readonly mayBeGone: ReadonlySet<string>;
  /** What each tag may name: the last that was reported, and one under way. Undefined: nothing, or what is not known. */
  readonly tags: ReadonlyMap<string, readonly (string | undefined)[]>;
  readonly pushed: ReadonlySet<string>;
}

const TAGS = new Set(['commit', 'squash', 'tag', 'pull']);
const MAKES = new Set(['commit', 'squash', 'pull']);

/** Every tag is one process's own, so what it reported last holds, unless it was killed while it changed the tag. */
export function reported(processes: readonly (readonly Step[])[]): Reported {
  const steps = processes.flat();
  const checkpoints = new Set<string>();
  const mayBeGone = new Set<string>();
  const pushed = new Set<string>();
  const tags = new Map<string, (string | undefined)[]>();
  for (const { at, what, digest } of steps) {
    if (at === 'begin' && what === 'remove') mayBeGone.add(digest!);
    if (at === 'done' && MAKES.has(what)) checkpoints.add(digest!);
    if (at === 'done' && what === 'push') pushed.add(digest!);
  }
  for (const own of processes) {
    for (const { at, what, digest, tag } of own) if (at === 'done' && TAGS.has(what)) tags.set(tag!, [digest]);
    // What a step that was cut short would have made is not known: then the tag is not looked at.
    const last = own.at(-1);
    if (last?.at === 'begin' && TAGS.has(last.what)) {
      if (last.digest === undefined) tags.delete(last.tag!);
      else tags.set(last.tag!, [...(tags.get(last.tag!) ?? [undefined]), last.digest]);
    }
  }
  return { checkpoints, mayBeGone, tags, pushed };
}
