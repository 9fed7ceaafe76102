/** How a guest had ended when its state was taken. */
import { ENDS_BYTES, jsonText, type TimedEnd } from '../src/runner/pending-ends.ts';
import { GUEST_ENDS, type RunEnd } from '../src/runner/result.ts';

/** The vCPU that came to an end first, and its ends in order. JSON. */
export interface EndedVcpu {
  readonly vcpu: number;
  readonly ends: readonly RunEnd[];
}

/** Whether the end in a checkpoint's description is a possible one. */
export function soundEnds(ended: EndedVcpu, cpus: number): boolean {
  const { vcpu, ends } = ended ?? {};
  return (
    Number.isSafeInteger(vcpu) &&
    vcpu >= 0 &&
    vcpu < cpus &&
    Array.isArray(ends) &&
    ends.length > 0 &&
    ends.every((end) => GUEST_ENDS.has(end?.reason) && ['number', 'undefined'].includes(typeof end.value)) &&
    jsonText(timed(ends)).length < ENDS_BYTES
  );
}

const timed = (ends: readonly RunEnd[]): TimedEnd[] => ends.map((end) => ({ end, at: 0 }));

/** The ends that the next runs of a vCPU return. */
export const endsOf = (ended: EndedVcpu | undefined, vcpu: number): TimedEnd[] =>
  ended?.vcpu === vcpu ? timed(ended.ends) : [];

/**
 * How a machine had ended, from the ends of its vCPUs: the earliest counts. Of several vCPUs, "halted" does not count:
 * the next run finds it again.
 */
export function endedVcpu(ends: readonly (readonly TimedEnd[])[]): EndedVcpu | undefined {
  const real = ends.map((all) => all.filter(({ end }) => ends.length === 1 || end.reason !== 'halted'));
  const first = real.map((all, vcpu) => ({ all, vcpu })).filter(({ all }) => all.length > 0);
  if (first.length === 0) return undefined;
  const { vcpu, all } = first.reduce((a, b) => (b.all[0]!.at < a.all[0]!.at ? b : a));
  return { vcpu, ends: JSON.parse(jsonText(all.map(({ end }) => end))) as RunEnd[] };
}
