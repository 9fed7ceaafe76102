/** Where a rollback goes that names no checkpoint. */
import type { CheckpointSummary } from '../../control/protocol.ts';
import type { Recorder } from './recorder.ts';

/** Undefined when there is none, or when it is no longer in the store. */
export function baseOf({ live: { session }, store }: Recorder): CheckpointSummary | undefined {
  const digest = session.base;
  if (!digest) return undefined;
  try {
    const { label, time, stats } = store.manifest(digest);
    const tags = store.index().heads.flatMap((head) => (head.digest === digest && head.tag) || []);
    return { digest, time, ...(label !== undefined && { label }), tags, stats };
  } catch {
    return undefined;
  }
}
