/** Fetching a checkpoint from a registry: what the store does not have whole, then all of it is taken in at once. */
import { CheckpointError } from '../../src/errors.ts';
import { type Digest, isNotFound, storeError } from '../store/format/digest.ts';
import { checkTags } from '../store/history/refs.ts';
import type { Store } from '../store/store.ts';
import { RegistryClient } from './client.ts';
import type { TransferReport } from './push.ts';
import { type ReceiveOptions, Receiver } from './receiver.ts';
import { parseReference } from './reference.ts';

export interface PullOptions extends ReceiveOptions {
  /** The name in the store. Default: the tag in the registry, unless that is `latest`. */
  readonly tag?: string;
  /** Also fetch so many generations of parents, as far as the registry has them. Default 0. */
  readonly history?: number;
}

/** How often the lock is asked for when everything has arrived. Each time takes as long as the store is patient. */
const LOCK_TRIES = 6;

/**
 * Fetches `HOST/REPOSITORY:TAG` into a store, which others may use and change meanwhile: the lock is held only while what
 * has arrived is taken in. Throws CheckpointError or UsageError; the store is then as it was.
 */
export async function pull(store: Store, source: string, options: PullOptions = {}): Promise<TransferReport> {
  const reference = parseReference(source, options.plainHttp);
  const tag = tagHere(store, reference.tag, options.tag);
  const client = new RegistryClient(reference, 'pull', options);
  using _unfinished = store.keepUnfinished();
  using receiver = new Receiver(store, client, options);
  const { head, manifest } = await receiver.receive(reference.digest ?? reference.name, reference.digest);
  let { parent } = manifest;
  for (let left = options.history ?? 0; left > 0 && parent; left--) parent = await parentOf(receiver, parent);
  // Whoever collects garbage meanwhile may remove what was there: that is fetched, too.
  while (!(await takeIn())) await receiver.fetchRemoved();
  return { digest: head.digest, ...receiver.moved };

  async function takeIn(): Promise<boolean> {
    using _ = await lockPatiently(store, options.signal);
    if (!receiver.place()) return false;
    store.adopt(head, tag);
    return true;
  }
}

/** The name in the store. Throws BAD_TAG or NAME_TAKEN, before anything is fetched. */
function tagHere(store: Store, remote: string | undefined, chosen: string | undefined): string | undefined {
  const tag = chosen ?? (remote === 'latest' ? undefined : remote);
  if (tag === undefined) return undefined;
  try {
    checkTags(store.index(), [tag]);
    return tag;
  } catch (error) {
    if (chosen !== undefined || !(error instanceof CheckpointError)) throw error;
    const [problem] = error.message.split(' — ');
    throw storeError(error.code, `${problem} — give the checkpoint another name here with --tag NAME`);
  }
}

/** Receives an older checkpoint; undefined where the registry does not have it, or where it is the first. */
async function parentOf(receiver: Receiver, digest: Digest): Promise<Digest | undefined> {
  try {
    return (await receiver.receive(digest, digest)).manifest.parent;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function lockPatiently(store: Store, signal: AbortSignal | undefined) {
  for (let tries = 1; ; tries++) {
    try {
      return store.lock();
    } catch (error) {
      if (!(error instanceof CheckpointError && error.code === 'LOCKED') || tries === LOCK_TRIES) throw error;
    }
    await new Promise(setImmediate);
    if (signal?.aborted) throw storeError('ABORTED', 'the transfer was stopped');
  }
}
