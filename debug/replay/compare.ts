/** Compares the machine of a replay with a recorded checkpoint: all of its state and memory, bit for bit, the host's time apart. */
import { diffSections } from '../../snapshot/diff/state-diff.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import type { CheckpointSession } from '../../snapshot/session.ts';
import type { StateField, StateSection } from '../../snapshot/show/field.ts';
import { stateSections } from '../../snapshot/show/state-sections.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { Msr, msrName } from '../../src/abi/msrs.ts';
import { hex } from '../../src/abi/numbers.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';

/** Fields whose value is the host's time. A guest that reads it has it in its registers or memory, and those are compared. */
const TIME_FIELDS: ReadonlySet<string> = new Set(
  [Msr.IA32_TSC, Msr.HV_X64_MSR_TIME_REF_COUNT, Msr.HV_X64_MSR_VP_RUNTIME].map(msrName),
);
const TIME_SECTIONS: ReadonlySet<string> = new Set(['vm/clock', 'vcpu/0/tsc_offset']);

/** Fields of pending events that say nothing unless one of the others is set: KVM leaves there what was last. */
const LEFT_OVER: readonly (readonly [fields: RegExp, by: readonly string[]])[] = [
  [/^interrupt\.(nr|soft)$/, ['interrupt.injected']],
  [/^exception(\.(nr|has_error_code|error_code)|_has_payload|_payload)$/, ['exception.injected', 'exception.pending']],
];

function withoutLeftOver(sections: readonly StateSection[]): StateSection[] {
  return sections.map((section) => {
    if (section.path !== 'vcpu/0/vcpu_events') return section;
    const isSet = (name: string) => section.fields.some((field) => field.name === name && field.value !== 0n);
    const says = ({ name }: StateField) => LEFT_OVER.every(([fields, by]) => !fields.test(name) || by.some(isSet));
    return { ...section, fields: section.fields.filter(says) };
  });
}

/** A range of memory that differs. */
export interface MemoryDifference {
  readonly gpa: number;
  readonly length: number;
}

/** What differs from a recorded checkpoint. */
export interface Differences {
  /** Fields of the state, in words, in the order of the state tables. */
  readonly state: readonly string[];
  /** The first range of bytes in each page that differs. */
  readonly memory: readonly MemoryDifference[];
}

/** Compares the session's machine, which stands still, with a checkpoint. Throws KvmError or CheckpointError. */
export function differences(session: CheckpointSession, recorded: Checkpoint): Differences {
  return { state: stateDifferences(session, recorded), memory: memoryDifferences(session, recorded) };
}

function stateDifferences({ target }: CheckpointSession, { config }: Checkpoint): string[] {
  const [before, after] = [decodeState(config), captureState(target)].map((state) =>
    withoutLeftOver(stateSections(state)),
  );
  return diffSections(before!, after!)
    .filter(({ path }) => !TIME_SECTIONS.has(path))
    .flatMap(({ title, changes }) =>
      changes.filter(({ name }) => !TIME_FIELDS.has(name)).map(({ name }) => `${title}: ${name}`),
    );
}

/** Pages that are read of the checkpoint at a time. */
const BATCH = 256;

function memoryDifferences(session: CheckpointSession, recorded: Checkpoint): MemoryDifference[] {
  const { pages } = session.target.machine;
  const gpas = session.pagesUnlike(recorded);
  const found: MemoryDifference[] = [];
  const buffer = Buffer.alloc(BATCH * PAGE_SIZE);
  for (let at = 0; at < gpas.length; at += BATCH) {
    const batch = gpas.slice(at, at + BATCH);
    recorded.readPages(batch, buffer);
    batch.forEach((gpa, i) => {
      const want = buffer.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
      const have = pages.view(gpa, PAGE_SIZE);
      if (Buffer.compare(want, have) === 0) return;
      const first = want.findIndex((byte, offset) => byte !== have[offset]);
      let length = 1;
      while (first + length < PAGE_SIZE && want[first + length] !== have[first + length]) length++;
      found.push({ gpa: gpa + first, length });
    });
  }
  return found;
}

/** The first of the differences in words, and how many more there are; undefined where there is none. */
export function differencesText({ state, memory }: Differences): string | undefined {
  const places = memory.map(({ gpa, length }) => `memory at ${hex(gpa)} (${length} byte${length === 1 ? '' : 's'})`);
  const [first, ...more] = [...state, ...places];
  if (first === undefined) return undefined;
  return more.length === 0 ? `${first} differs` : `${first} differs, and ${more.length} more`;
}
