/** Brings a vCPU to rest: nothing of the exit that its loop ended with is left to be completed in KVM. */
import type { RunArea } from '../kvm/run-area.ts';
import type { RunEnd } from './result.ts';

/**
 * Completes what the last exit left pending: after an IN or an MMIO read the guest's registers are stale until KVM_RUN is
 * entered once more, and a string instruction may have further exits to serve before it can rest. `run` runs the
 * loop, which ends with `atRest` when KVM_RUN comes back without an exit. Returns the ends that the guest came to
 * meanwhile, in order.
 */
export function settle(area: RunArea, run: () => RunEnd, atRest: RunEnd): RunEnd[] {
  const ends: RunEnd[] = [];
  area.immediateExit = true;
  for (let end = run(); end !== atRest; end = run()) ends.push(end);
  area.immediateExit = false;
  return ends;
}
