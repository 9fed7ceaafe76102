/**
 * A machine as it is at one moment, in the place of a checkpoint: to be compared with one, and then forgotten. Only the
 * pages that may differ from that checkpoint are copied; the others are the checkpoint's.
 */

import type { GuestOrigin } from '../machine-description.ts';
import { encodeState } from '../machine-state.ts';
import type { CheckpointSession } from '../session.ts';
import { captureState } from '../state-taker.ts';
import type { CheckpointConfig, CheckpointInfo } from '../store/format/documents.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { DiffTarget } from './diff-target.ts';

/** See the file's header. The other checkpoint must stay open for as long as this is used. */
class LiveView implements DiffTarget {
  readonly info: CheckpointInfo = { label: 'now', time: new Date().toISOString(), stats: {} };
  readonly config: CheckpointConfig;
  readonly #other: Checkpoint;
  readonly #copies: ReadonlyMap<number, Uint8Array>;

  constructor(other: Checkpoint, copies: ReadonlyMap<number, Uint8Array>, config: CheckpointConfig) {
    this.config = config;
    this.#other = other;
    this.#copies = copies;
  }

  pagesUnlike(): number[] {
    return [...this.#copies.keys()];
  }

  /** Nothing is known without reading. */
  xorWith(): boolean {
    return false;
  }

  readPages(gpas: ArrayLike<number>, into: Uint8Array): void {
    this.#other.readPages(gpas, into);
    for (let i = 0; i < gpas.length; i++) {
      const copy = this.#copies.get(gpas[i]!);
      if (copy) into.set(copy, i * PAGE_SIZE);
    }
  }

  [Symbol.dispose](): void {}
}

/**
 * Looks at the session's machine, which stands still only meanwhile, for a comparison with `other`, a checkpoint of the
 * session's store: `diffCheckpoints(other, liveView(…))`. Throws KvmError or CheckpointError.
 */
export function liveView(session: CheckpointSession, other: Checkpoint, guest?: GuestOrigin): DiffTarget {
  const { target } = session;
  using _clean = target.machine.pages.clean();
  const resume = target.running;
  try {
    const state = captureState(target, guest);
    const copies = copyPages(session, session.pagesUnlike(other));
    return new LiveView(other, copies, encodeState(state));
  } finally {
    if (resume) target.resume();
  }
}

const NO_PAGE = new Uint8Array(PAGE_SIZE);

function copyPages({ target }: CheckpointSession, gpas: readonly number[]): Map<number, Uint8Array> {
  const space = target.machine.pages;
  const bytes = new Uint8Array(gpas.length * PAGE_SIZE);
  const pages = gpas.map((gpa, i) => {
    const page = bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    page.set(space.has(gpa, PAGE_SIZE) ? space.view(gpa, PAGE_SIZE) : NO_PAGE);
    return [gpa, page] as const;
  });
  return new Map(pages);
}
