/** A value as every card shows it: without the zeros in front, and with what it was before. */
import type { ShownField } from './model.ts';

export function Value({ text }: { readonly text: string }) {
  return (
    <span class="mono" title={text}>
      {text.replace(/^0x0+(?=[0-9a-f])/, '0x')}
    </span>
  );
}

/** What a field is at the other moment; nothing where that is the same. */
export function Other({ field: { before, isEarlier } }: { readonly field: ShownField }) {
  return before === undefined ? null : (
    <span class="was">
      <span class="quiet">{isEarlier ? 'will be' : 'was'} </span>
      <Value text={before} />
    </span>
  );
}

/** A row of a list of fields. Absent `before`: it has not changed. */
export function FieldRow({ field }: { readonly field: ShownField }) {
  const { name, value, meaning, before } = field;
  return (
    <tr class={before === undefined ? '' : 'changed'}>
      <th scope="row">
        <code>{name}</code>
      </th>
      <td>
        <Value text={value} />
        {meaning !== '' && <span class="meaning"> {meaning}</span>}
        <Other field={field} />
      </td>
    </tr>
  );
}
