/** Every other part of the machine: devices, interrupt controllers, timers, MSRs and so on, folded. */
import { useState } from 'preact/hooks';
import type { View } from './model.ts';
import { Badge } from './registers.tsx';
import { FieldRow } from './value.tsx';

/** Parts by their path, in the order shown. */
const GROUPS: readonly (readonly [title: string, paths: RegExp])[] = [
  ['Devices', /^device\//],
  ['Interrupt controllers', /^(vm\/(pic|ioapic)|vcpu\/\d+\/lapic|machine\/lines)/],
  ['Timers and clock', /^(vm\/|vcpu\/\d+\/tsc)/],
  ['vCPU', /^vcpu\/\d+\/(?!regs$|sregs)/],
  ['CPUID and ROMs', /^(machine|rom)\//],
];

const isZero = (value: string) => /^(0x)?0+$/.test(value);

export function StateCard({ model, now, base }: View) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [onlyChanged, setOnly] = useState(false);
  const [withZeros, setZeros] = useState(false);
  const changed = model.changedPaths(now, base);
  const sections = model.sections(now).filter(({ path }) => !onlyChanged || changed.has(path));
  const toggle = (path: string, isOpen: boolean) => {
    if (open.has(path) === isOpen) return;
    setOpen(new Set(isOpen ? [...open, path] : [...open].filter((other) => other !== path)));
  };
  const placed = new Set<string>();
  const groups = GROUPS.map(([title, paths]) => {
    const own = sections.filter(({ path }) => paths.test(path) && !placed.has(path));
    for (const { path } of own) placed.add(path);
    return { title, own };
  });
  return (
    <section class="card" aria-labelledby="state">
      <div class="head">
        <h2 id="state">Devices and everything else</h2>
        <label>
          <input type="checkbox" checked={onlyChanged} onChange={(event) => setOnly(event.currentTarget.checked)} />{' '}
          only what changed
        </label>
        <label>
          <input type="checkbox" checked={withZeros} onChange={(event) => setZeros(event.currentTarget.checked)} /> also
          zeros
        </label>
      </div>
      <div class="groups flow">
        {groups.map(({ title, own }) => (
          <div key={title}>
            <h3>{title}</h3>
            {own.length === 0 && <p class="quiet">{onlyChanged ? 'Nothing changed.' : 'None.'}</p>}
            {own.map(({ path, title: name }) => (
              <details key={path} open={open.has(path)} onToggle={(event) => toggle(path, event.currentTarget.open)}>
                <summary>
                  {name.replace(/^device /, '')}{' '}
                  <Badge
                    count={
                      changed.has(path)
                        ? model.fields(now, base, path).filter(({ before }) => before !== undefined).length
                        : 0
                    }
                  />
                </summary>
                {open.has(path) && <Fields {...{ model, now, base, path, withZeros }} />}
              </details>
            ))}
          </div>
        ))}
      </div>
    </section>
  );
}

function Fields({ model, now, base, path, withZeros }: View & { path: string; withZeros: boolean }) {
  const fields = model.fields(now, base, path);
  const shown = fields.filter(({ value, before }) => withZeros || before !== undefined || !isZero(value));
  return (
    <>
      <table class="fields">
        <tbody>
          {shown.map((field) => (
            <FieldRow key={field.name} field={field} />
          ))}
        </tbody>
      </table>
      {shown.length < fields.length && <p class="quiet">{fields.length - shown.length} are zero</p>}
    </>
  );
}
