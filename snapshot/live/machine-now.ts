/**
 * A machine as it is at one moment, in the place of a checkpoint: to be compared with one, and then forgotten. Only the
 * pages that may differ from that checkpoint are copied; the others are the checkpoint's.
 */

import { encodeState, type GuestOrigin } from '../machine-state.ts';
import type { CheckpointSession } from '../session.ts';
import { captureState } from '../state-taker.ts';
import { NO_DIGEST } from '../store/format/digest.ts';
import type { CheckpointConfig } from '../store/format/documents.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import { Chain } from '../store/memory/chain.ts';
import { Checkpoint } from '../store/memory/checkpoint.ts';
import { FrameCache } from '../store/memory/frame-cache.ts';
import { LayerPool } from '../store/memory/layer-pool.ts';

/** See the file's header. The other checkpoint must stay open for as long as this is used. */
export class MachineNow extends Checkpoint {
  readonly #other: Checkpoint;
  readonly #copies: ReadonlyMap<number, Uint8Array>;

  /** Use {@link machineNow}. */
  constructor(other: Checkpoint, copies: ReadonlyMap<number, Uint8Array>, config: CheckpointConfig, chain: Chain) {
    super(NO_DIGEST, { label: 'now', time: new Date().toISOString(), stats: {} }, config, chain);
    this.#other = other;
    this.#copies = copies;
  }

  override pagesUnlike(): number[] {
    return [...this.#copies.keys()];
  }

  /** Nothing is known without reading. */
  override xorWith(): boolean {
    return false;
  }

  override readPages(gpas: ArrayLike<number>, into: Uint8Array): void {
    this.#other.readPages(gpas, into);
    for (let i = 0; i < gpas.length; i++) {
      const copy = this.#copies.get(gpas[i]!);
      if (copy) into.set(copy, i * PAGE_SIZE);
    }
  }
}

/**
 * Looks at the session's machine, which stands still only meanwhile, for a comparison with `other`, a checkpoint of the
 * session's store: `diffCheckpoints(other, machineNow(…))`. Throws KvmError or CheckpointError.
 */
export function machineNow(session: CheckpointSession, other: Checkpoint, guest?: GuestOrigin): MachineNow {
  const { target, store } = session;
  const resume = target.running;
  try {
    const state = captureState(target, guest);
    const copies = copyPages(session, session.pagesUnlike(other));
    const chain = new Chain(new LayerPool(store.blobs, new FrameCache(0)));
    return new MachineNow(other, copies, encodeState(state), chain);
  } finally {
    if (resume) target.resume();
  }
}

const NO_RAM = new Uint8Array(PAGE_SIZE);

function copyPages({ target }: CheckpointSession, gpas: readonly number[]): Map<number, Uint8Array> {
  const { memory } = target.machine;
  const bytes = new Uint8Array(gpas.length * PAGE_SIZE);
  const pages = gpas.map((gpa, i) => {
    const page = bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    page.set(memory.find(gpa, PAGE_SIZE) ? memory.view(gpa, PAGE_SIZE) : NO_RAM);
    return [gpa, page] as const;
  });
  return new Map(pages);
}
