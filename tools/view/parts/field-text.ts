/** Values of state for people. */
import type { StateField } from '../../../snapshot/show/field.ts';

const RAW_SHOWN = 16;

/** A field's value: hex of its width for numbers, hex bytes otherwise, shortened. */
export function valueText({ value, size }: StateField): string {
  if (typeof value === 'bigint') return `0x${value.toString(16).padStart(size >= 4 ? size * 2 : 1, '0')}`;
  const shown = Buffer.from(value.subarray(0, RAW_SHOWN)).toString('hex');
  return value.length > RAW_SHOWN ? `${shown}… (${value.length} bytes)` : shown;
}

/** A field's value and what it means. */
export function fieldText(field: StateField): string {
  return field.meaning ? `${valueText(field)} (${field.meaning})` : valueText(field);
}
