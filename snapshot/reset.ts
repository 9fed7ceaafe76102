/** A reset: the machine starts again from what it was before its first run. */
import { stateLoader } from './state-loader.ts';
import { captureState } from './state-taker.ts';
import type { SnapshotTarget } from './target.ts';

/**
 * Call it before the first run; it pauses the target. Returns the reset: vCPUs, devices, interrupt controllers and clock
 * are as now again, and `boot` puts the image back into memory. Other memory stays as it is, as in a machine whose reset
 * line is pulled. Throws KvmError; so does the reset.
 */
export function resetter(target: SnapshotTarget, boot: () => void): () => void {
  const load = stateLoader(target, captureState(target));
  return () => {
    using _clean = target.machine.pages.clean();
    target.completePendingIo();
    boot();
    load('resume');
  };
}
