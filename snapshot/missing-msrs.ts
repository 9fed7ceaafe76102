/** MSRs that a checkpoint does not have: it was taken where there were none such. */
import { msrList, readMsrList } from '../src/kvm/msr-list.ts';
import { vcpuStateLayout, vcpuStateParts } from '../src/kvm/state/vcpu-layout.ts';
import type { MachineState } from './machine-state.ts';
import type { SnapshotTarget } from './target.ts';

/**
 * A state with the MSRs that it has not, as the new vCPUs of `target` have them: when it is loaded again they are as they were
 * the first time. Pauses the target where there are such. Throws KvmError or CheckpointError.
 */
export function withMsrsOf(target: SnapshotTarget, state: MachineState): MachineState {
  const saved = state.vcpus.map(({ msrs }) => readMsrList(msrs!));
  const { host } = target;
  const hasAll = (list: readonly { index: number }[]) => {
    const indices = new Set(list.map(({ index }) => index));
    return host.msrs.every((index) => indices.has(index));
  };
  if (saved.every(hasAll)) return state;
  const layout = vcpuStateLayout(host);
  target.beginSave();
  const records = target.finishSave();
  const vcpus = state.vcpus.map((parts, i) => {
    const there = readMsrList(vcpuStateParts(layout, records[i]!).msrs!);
    return { ...parts, msrs: msrList([...there, ...saved[i]!]) }; // of two with one index the later counts
  });
  return { ...state, vcpus };
}
