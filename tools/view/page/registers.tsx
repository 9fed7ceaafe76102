/** The registers of a vCPU: the general ones, flags one by one, and the rest folded. */
import { useState } from 'preact/hooks';
import type { ShownField, View } from './model.ts';
import { FieldRow, Other, Value } from './value.tsx';

/** RFLAGS, from the left as in the manuals; what each one says. */
const FLAGS: readonly (readonly [name: string, bit: number, means: string])[] = [
  ['OF', 11, 'overflow'],
  ['DF', 10, 'direction: strings go down'],
  ['IF', 9, 'interrupts are taken'],
  ['TF', 8, 'trap after each instruction'],
  ['SF', 7, 'sign'],
  ['ZF', 6, 'zero'],
  ['AF', 4, 'carry out of four bits'],
  ['PF', 2, 'parity'],
  ['CF', 0, 'carry'],
];

export function RegistersCard(view: View) {
  const { model, now } = view;
  const [chosen, choose] = useState(0);
  const count = model.sections(now).filter(({ path }) => /^vcpu\/\d+\/regs$/.test(path)).length;
  const vcpu = Math.min(chosen, Math.max(0, count - 1));
  const fields = model.shownFields(view, `vcpu/${vcpu}/regs`);
  const rflags = fields.find(({ name }) => name === 'rflags');
  const system = ['sregs', 'sregs2'].flatMap((part) => model.shownFields(view, `vcpu/${vcpu}/${part}`));
  const changed = system.filter(({ before }) => before !== undefined).length;
  return (
    <section class="card" aria-labelledby="registers">
      <div class="head">
        <h2 id="registers">Registers</h2>
        {count > 1 && (
          <label>
            <span class="quiet">of</span>{' '}
            <select value={vcpu} onChange={(event) => choose(Number(event.currentTarget.value))}>
              {Array.from({ length: count }, (_, id) => (
                <option key={id} value={id}>{`vCPU ${id}`}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      <dl class="registers">
        {fields
          .filter(({ name }) => name !== 'rflags')
          .map((field) => (
            <Register key={field.name} field={field} />
          ))}
      </dl>
      {rflags && <Flags rflags={rflags} />}
      {system.length > 0 && (
        <details>
          <summary>
            Control registers and segments <Badge count={changed} />
          </summary>
          <table class="fields">
            <tbody>
              {system.map((field) => (
                <FieldRow key={field.name} field={field} />
              ))}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}

/** How many fields differ. */
export function Badge({ count }: { readonly count: number }) {
  return count === 0 ? null : <span class="badge">{count} changed</span>;
}

function Register({ field }: { readonly field: ShownField }) {
  const { name, value, before } = field;
  return (
    <div class={before === undefined ? '' : 'changed'}>
      <dt>
        <code>{name}</code>
      </dt>
      <dd>
        <Value text={value} />
        <Other field={field} />
      </dd>
    </div>
  );
}

function Flags({ rflags }: { readonly rflags: ShownField }) {
  const bitOf = (text: string | undefined, bit: number) =>
    /^0x[0-9a-f]+$/.test(text ?? '') ? Number((BigInt(text!) >> BigInt(bit)) & 1n) : 0;
  return (
    <div class="flags">
      <p class="quiet">
        flags <Value text={rflags.value} />
      </p>
      <ul>
        {FLAGS.map(([name, bit, means]) => {
          const isSet = bitOf(rflags.value, bit) === 1;
          const differs = rflags.before !== undefined && bitOf(rflags.before, bit) !== Number(isSet);
          return (
            <li key={name} class={`${isSet ? 'set' : ''} ${differs ? 'changed' : ''}`} title={means}>
              {name}
              <span class="bit">{isSet ? 1 : 0}</span>
              {differs && <span class="hidden"> changed</span>}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
