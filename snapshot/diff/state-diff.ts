/** What differs in the state besides RAM: fields by name. */
import { type StateField, type StateSection, sameValue } from '../show/field.ts';

/** A field that differs; one side is absent where the other machine has no such field. */
export interface FieldChange {
  readonly name: string;
  readonly before?: StateField;
  readonly after?: StateField;
}

/** The fields of a section that differ. */
export interface SectionChange {
  readonly path: string;
  readonly title: string;
  readonly changes: readonly FieldChange[];
}

/** Compares two states, section by section; sections without a difference are left out. */
export function diffSections(a: readonly StateSection[], b: readonly StateSection[]): SectionChange[] {
  const before = new Map(a.map((section) => [section.path, section]));
  const after = new Map(b.map((section) => [section.path, section]));
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].flatMap((path) => {
    const [x, y] = [before.get(path), after.get(path)];
    const changes = diffFields(x?.fields ?? [], y?.fields ?? []);
    return changes.length > 0 ? [{ path, title: (y ?? x)!.title, changes }] : [];
  });
}

function diffFields(a: readonly StateField[], b: readonly StateField[]): FieldChange[] {
  const before = new Map(a.map((field) => [field.name, field]));
  const after = new Map(b.map((field) => [field.name, field]));
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    const [x, y] = [before.get(name), after.get(name)];
    if (x && y && sameValue(x.value, y.value)) return [];
    return [{ name, ...(x && { before: x }), ...(y && { after: y }) }];
  });
}
