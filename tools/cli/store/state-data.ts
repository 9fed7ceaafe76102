/** State and its changes as `--json` gives them: an object by section and field. */
import type { FieldChange, SectionChange } from '../../../snapshot/diff/state-diff.ts';
import type { StateField, StateSection } from '../../../snapshot/show/field.ts';

/** A value with its meaning where it has one; numbers become hex strings and bytes base64 in the document. */
function valueData(field: StateField | undefined) {
  if (!field) return null;
  return field.meaning ? { value: field.value, meaning: field.meaning } : field.value;
}

/** `{ "vcpu/0/regs": { "rip": …, "rflags": { value, meaning } } }`. */
export function sectionsData(sections: readonly StateSection[]) {
  return Object.fromEntries(
    sections.map(({ path, fields }) => [path, Object.fromEntries(fields.map((f) => [f.name, valueData(f)]))]),
  );
}

/** `{ "vcpu/0/regs": { "rip": { before, after } } }`. */
export function changesData(sections: readonly SectionChange[]) {
  const change = ({ before, after }: FieldChange) => ({ before: valueData(before), after: valueData(after) });
  return Object.fromEntries(
    sections.map(({ path, changes }) => [path, Object.fromEntries(changes.map((c) => [c.name, change(c)]))]),
  );
}
