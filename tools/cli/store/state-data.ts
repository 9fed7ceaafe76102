/** State, its changes, and comparisons as `--json` prints them. */
import type { ChangedRange } from '../../../snapshot/diff/memory-diff.ts';
import type { FieldChange, SectionChange } from '../../../snapshot/diff/state-diff.ts';
import type { StateField, StateSection } from '../../../snapshot/show/field.ts';
import { type Comparison, rowChanges } from './comparison.ts';

/** `{ "vcpu/0/regs": { "rip": … } }`; numbers become hex strings and bytes base64 in the document. */
export const sectionsData = (sections: readonly StateSection[]) => byField(sections, ({ value }) => value);

/** `{ "vcpu/0/regs": { "rflags": "IF|ZF" } }`: only of fields whose value has a meaning in words. */
export const meaningsData = (sections: readonly StateSection[]) =>
  byField(
    sections.map(({ fields, ...section }) => ({ ...section, fields: fields.filter(({ meaning }) => meaning) })),
    ({ meaning }) => meaning,
  );

function byField(sections: readonly StateSection[], of: (field: StateField) => unknown) {
  return Object.fromEntries(
    sections
      .filter(({ fields }) => fields.length > 0)
      .map(({ path, fields }) => [path, Object.fromEntries(fields.map((field) => [field.name, of(field)]))]),
  );
}

/** `{ "vcpu/0/regs": { "rip": { before, after } } }`, with `meaning` of both where one of them has one in words. */
function changesData(sections: readonly SectionChange[]) {
  const change = ({ before, after }: FieldChange) => ({
    before: before?.value ?? null,
    after: after?.value ?? null,
    ...((before?.meaning || after?.meaning) && {
      meaning: { before: before?.meaning ?? null, after: after?.meaning ?? null },
    }),
  });
  return Object.fromEntries(
    sections.map(({ path, changes }) => [path, Object.fromEntries(changes.map((c) => [c.name, change(c)]))]),
  );
}

/** A comparison: without page lists, with one name for the symbol of a range, and with the rows of the screen that differ. */
export function diffData(diff: Comparison, writer: (range: ChangedRange) => unknown = () => undefined) {
  const {
    memory: { pages: _, ranges, ...sums },
  } = diff;
  const rangeData = ranges.map((all) => {
    const { symbol, ...range } = all;
    const blame = writer(all);
    return {
      ...range,
      ...(symbol && { symbol: symbol.name, offset: Number(range.linear! - symbol.address), section: symbol.section }),
      ...(blame !== undefined && { blame }),
    };
  });
  const screen = rowChanges(diff).map(({ differs, ...change }) => ({
    ...change,
    cells: differs.filter(Boolean).length,
  }));
  return {
    a: diff.a,
    b: diff.b,
    state: changesData(diff.state),
    ...(screen.length > 0 && { screen }),
    memory: { ...sums, ranges: rangeData },
    ...(diff.disks.length > 0 && { disks: diff.disks }),
    remarks: diff.remarks,
  };
}
