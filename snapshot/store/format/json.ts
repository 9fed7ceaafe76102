/** JSON documents of a store, read with care: every value that is used is checked, and how deep they nest is bounded. */
import { corrupt, type Digest, isDigest } from './digest.ts';

/** Any JSON value, loosely. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An object of a JSON document. */
export type JsonObject = { readonly [key: string]: Json | undefined };

/** A blob named by another document. */
export interface Descriptor {
  readonly digest: Digest;
  readonly size: number;
}

/** Documents of a store nest a few levels deep; what is far deeper could not be written again. */
const MAX_DEPTH = 64;

/** Reads a document. Throws CheckpointError CORRUPT where it is not one JSON object, or nests too deep. */
export function parseObject(bytes: Uint8Array, where: string): JsonObject {
  if (nestsDeeper(bytes, MAX_DEPTH)) throw corrupt(where, `is nested more than ${MAX_DEPTH} levels deep`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt(where, `is not JSON (${error instanceof Error ? error.message : error})`);
  }
  return object(value, where, 'the document');
}

function nestsDeeper(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x22) inString = !inString;
    else if (inString) i += byte === 0x5c ? 1 : 0;
    else if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) depth--;
    if (depth > limit) return true;
  }
  return false;
}

/** True for an object that is no list. */
export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export function object(value: unknown, where: string, what: string): JsonObject {
  if (!isObject(value)) throw corrupt(where, `${what} is not an object`);
  return value;
}

export function list(value: unknown, limit: number, where: string, what: string): readonly Json[] {
  if (!Array.isArray(value)) throw corrupt(where, `${what} is not a list`);
  if (value.length > limit) throw corrupt(where, `${what} has ${value.length} items, more than ${limit}`);
  return value;
}

export function optionalObject(value: unknown, where: string, what: string): JsonObject {
  return value === undefined || value === null ? {} : object(value, where, what);
}

export function descriptor(value: JsonObject, limit: number, where: string, what: string): Descriptor {
  const { digest, size } = value;
  if (!isDigest(digest)) throw corrupt(where, `${what} has no sha256 digest: ${JSON.stringify(digest)?.slice(0, 80)}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || size > limit)
    throw corrupt(where, `${what} has the size ${JSON.stringify(size)?.slice(0, 40)}; at most ${limit} is possible`);
  return { digest, size };
}

/** Writes a document. */
export function encode(document: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`);
}
