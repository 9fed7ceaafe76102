/** The argument of an ioctl as plain data, for checks. */
import type { Argument } from '../../exercises/exercise.ts';
import type { IoctlRow } from '../../src/abi/ioctl-row.ts';
import { plain, type Struct } from '../../src/abi/struct.ts';

/** Larger structs (XSAVE areas, the local APIC's page) are not told. */
const LARGEST = 1024;
const MOST_ENTRIES = 256;

/** Lays the row's struct over the bytes. */
export function decoded({ arg }: IoctlRow, given: Uint8Array | number | bigint | undefined): Argument {
  if (!(given instanceof Uint8Array)) return given;
  if (typeof arg === 'string') return given.length <= LARGEST ? Buffer.from(given).toString('hex') : undefined;
  if (!('header' in arg)) return record(arg, given, 0);
  const head = record(arg.header, given, 0) as { readonly [name: string]: Argument };
  const counted = Number(Object.values(head)[0] ?? 0);
  const room = Math.floor((given.length - arg.header.size) / arg.entry.size);
  const entries = Array.from({ length: Math.min(counted, room, MOST_ENTRIES) }, (_, i) =>
    record(arg.entry, given, arg.header.size + i * arg.entry.size),
  );
  return { ...head, entries };
}

function record(layout: Struct, bytes: Uint8Array, at: number): Argument {
  if (layout.size > LARGEST || bytes.length < at + layout.size) return undefined;
  return hexed(plain(layout.over(bytes, at)));
}

function hexed(value: unknown): Argument {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(hexed);
  if (value === null || typeof value !== 'object') return value as Argument;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hexed(inner)]));
}
