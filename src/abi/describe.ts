/**
 * One line for an ioctl's argument, as strace would print it: `{slot=0, flags=LOG_DIRTY_PAGES, memory_size=0x100000}`.
 * Fields that are zero are left out, long arrays are shortened, and the whole is bounded. Pure: bytes in, text out.
 */

import {
  capabilityName,
  FIELD_TEXTS,
  type Fields,
  HEX_FIELDS,
  OVERLAYS,
  SHOWN_WHEN_ZERO,
  WHOLE_TEXTS,
} from './describe/fields.ts';
import { bounded, bytesText, isZero, list } from './describe/text.ts';
import { EXIT_REASONS } from './exits.ts';
import type { IoctlRow } from './ioctl-row.ts';
import { IOCTLS } from './ioctls.ts';
import { hex } from './numbers.ts';
import type { Struct } from './struct.ts';
import { KvmRun, RUN_EXITS } from './structs.ts';
import { type ArrayType, s64, type Type } from './types.ts';

/** Longest line that a description has, in characters. */
export const DESCRIPTION_LIMIT = 480;

/** How many elements of an array, or entries behind a header, are shown. */
const ELEMENTS_SHOWN = 4;

/** Renders what an ioctl was given: the bytes of its struct (as they now are), a plain integer, or nothing. */
export function describeArgument(row: IoctlRow, argument: Uint8Array | number | bigint | undefined): string {
  if (argument === undefined) return '';
  if (!(argument instanceof Uint8Array)) return describeInteger(row, argument);
  if (typeof row.arg === 'string') return bytesText(argument);
  const text = 'header' in row.arg ? describeList(row.arg, argument) : describeStruct(row.arg, argument);
  return bounded(text, DESCRIPTION_LIMIT);
}

/** Renders a struct laid over the start of `bytes`. Too few bytes are reported, not read past. */
export function describeStruct(layout: Struct, bytes: Uint8Array): string {
  if (bytes.length < layout.size) return `{${bytes.length} of the ${layout.size} bytes of ${layout.name}}`;
  return structText(layout, layout.over(bytes.subarray(0, layout.size)) as Fields);
}

/** Renders why KVM_RUN came back, from the bytes of kvm_run: `IO {direction=OUT, size=1, port=0x3f8, count=1}`. */
export function describeExit(run: Uint8Array): string {
  const { exit_reason, exit } = KvmRun.over(run);
  const name = EXIT_REASONS[exit_reason];
  if (name === undefined) return `exit reason ${exit_reason}`;
  const layout = (RUN_EXITS as Partial<Record<string, Struct>>)[name];
  return layout ? bounded(`${name} ${describeStruct(layout, exit)}`, DESCRIPTION_LIMIT) : name;
}

function describeInteger(row: IoctlRow, value: number | bigint): string {
  if (row === IOCTLS.KVM_CHECK_EXTENSION) return capabilityName(Number(value));
  if (row.arg === 'none') return isZero(value) ? '' : hex(value);
  if (row.arg !== 'int') return isZero(value) ? 'NULL' : hex(value);
  return value > 0xffff ? hex(value) : String(value);
}

function describeList({ header, entry }: { header: Struct; entry: Struct }, bytes: Uint8Array): string {
  const head = describeStruct(header, bytes);
  if (bytes.length < header.size + entry.size) return head;
  const [counter] = Object.keys(header.fields);
  const counted = Number((header.over(bytes) as Fields)[counter!]);
  const count = Math.min(counted, Math.floor((bytes.length - header.size) / entry.size));
  const shown = Array.from({ length: Math.min(count, ELEMENTS_SHOWN) }, (_, i) =>
    describeStruct(entry, bytes.subarray(header.size + i * entry.size)),
  );
  if (count > shown.length) shown.push(`… ${count - shown.length} more`);
  return `${head} [${shown.join(', ')}]`;
}

function structText(layout: Struct, record: Fields): string {
  const whole = WHOLE_TEXTS[layout.name];
  if (whole) return whole(record);
  const shown = Object.entries(layout.fields).filter(
    ([name]) => !isZero(record[name]) || SHOWN_WHEN_ZERO.has(`${layout.name}.${name}`),
  );
  return list(shown.map(([name, [, type]]) => `${name}=${fieldText(layout, name, type, record)}`));
}

function fieldText(layout: Struct, name: string, type: Type<unknown>, record: Fields): string {
  const key = `${layout.name}.${name}`;
  const value = record[name];
  const own = FIELD_TEXTS[key];
  if (own) return own(value as never, record);
  const overlay = OVERLAYS[key]?.(record);
  return overlay ? describeStruct(overlay, value as Uint8Array) : valueText(type, value, name);
}

function valueText(type: Type<unknown>, value: unknown, name: string): string {
  if (value instanceof Uint8Array) return bytesText(value);
  if (typeof value === 'bigint') return type === s64 ? String(value) : hex(value);
  if (typeof value === 'number') return HEX_FIELDS.has(name) ? hex(value) : String(value);
  if ('element' in type) return arrayText((type as ArrayType<unknown>).element, value as Iterable<unknown>, name);
  return structText(type as Struct, value as Fields);
}

function arrayText(element: Type<unknown>, values: Iterable<unknown>, name: string): string {
  const set = Array.from(values, (value, i) => ({ i, value })).filter(({ value }) => !isZero(value));
  const shown = set.slice(0, ELEMENTS_SHOWN).map(({ i, value }) => `${i}: ${valueText(element, value, name)}`);
  if (set.length > shown.length) shown.push(`… ${set.length - shown.length} more`);
  return `[${shown.join(', ')}]`;
}
