/** Turning words of the command line into values. Each refuses what it cannot understand with a UsageError. */
import { InvalidArgumentError } from 'commander';
import type { DiskConfig } from '../../src/machine/disks.ts';
import { ramRanges } from '../../src/memory/layout.ts';

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** A size: digits with an optional K, M, G or T (powers of 1024); a bare number counts `unit`s. Bytes. */
export function parseSize(text: string, unit = 1): number {
  const match = /^(\d+)\s*([kmgt]?)(i?b)?$/i.exec(text.trim());
  const suffix = match?.[2]?.toLowerCase() ?? '';
  const bytes = Number(match?.[1]) * (suffix === '' && !match?.[3] ? unit : SUFFIXES[suffix]!);
  if (!match || !Number.isSafeInteger(bytes))
    throw new InvalidArgumentError(`not a size: give something like 64M or 2G`);
  return bytes;
}

/** RAM: as {@link parseSize}; a bare number is MiB, as in QEMU. */
export function parseMemory(text: string): number {
  const bytes = parseSize(text, 2 ** 20);
  try {
    ramRanges(bytes);
    return bytes;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** A guest-physical address: decimal or 0x hexadecimal. */
export function parseAddress(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value >= 2 ** 52) {
    throw new InvalidArgumentError('not a guest-physical address: give a number below 2^52 like 0x100000');
  }
  return value;
}

/** `symbol=value`, added to those before: a whole number, decimal or 0x hexadecimal, maybe negative. */
export function parseAssignment(text: string, before: Readonly<Record<string, bigint>> = {}): Record<string, bigint> {
  const match = /^([^=]+)=(-?)(0x[0-9a-f]+|\d+)$/i.exec(text);
  if (!match) throw new InvalidArgumentError('give a symbol and a whole number, like param_pages=64');
  const [, name, sign, digits] = match;
  return { ...before, [name!]: BigInt(digits!) * (sign === '-' ? -1n : 1n) };
}

const UNITS_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Reads a duration like 50us, 500ms, 10s or 2m, in milliseconds. A bare number could be one or the other: it is refused. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)?$/.exec(text);
  const ms = Number(match?.[1]) * UNITS_MS[match?.[2] ?? 'ms']!;
  if (!match || !(ms > 0) || ms > 2 ** 31 - 1) {
    throw new InvalidArgumentError('not a duration: give something like 50us, 500ms, 10s or 2m, up to 24 days');
  }
  if (!match[2]) throw new InvalidArgumentError(`${text} of what? give ${text}ms or ${text}s`);
  return ms;
}

/** A positive whole number. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('not a positive whole number');
  return Number(text);
}

/** A port besides those of the debug-exit, which is always there. */
export function parsePort(text: string): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(port > 0 && port < 0xfffd)) throw new InvalidArgumentError('not a port: give a number below 0xfffd like 0x501');
  if (port >= 0xf1 && port <= 0xf7)
    throw new InvalidArgumentError('0xf4 to 0xf7 end the guest without it, with the value written as exit status');
  return port;
}

/** Reads a positive whole number of at most `most`; `why` says what more would do. */
export const countUpTo =
  (most: number, why: string) =>
  (text: string): number => {
    const count = parseCount(text);
    if (count > most) throw new InvalidArgumentError(`at most ${most}: ${why}`);
    return count;
  };

/** ADDR=FILE, a file to place at a guest-physical address; collects repetitions. */
export function parseBlob(text: string, before: readonly Blob[] = []): Blob[] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('give ADDR=FILE, like 0xf0000=table.bin');
  return [...before, { gpa: parseAddress(text.slice(0, at)), file: text.slice(at + 1) }];
}

/** A file to place in guest memory as it is. */
export interface Blob {
  readonly gpa: number;
  readonly file: string;
}

/** FILE[,ro], the image of a disk; collects repetitions. */
export function parseDisk(text: string, before: readonly DiskConfig[] = []): DiskConfig[] {
  const readOnly = text.endsWith(',ro');
  const path = readOnly ? text.slice(0, -3) : text;
  if (path === '') throw new InvalidArgumentError('give the file of an image: FILE, or FILE,ro');
  return [...before, { path, readOnly }];
}

/** N=FILE, where the image of disk N is now; collects repetitions. */
export function parseDiskPlace(text: string, before: ReadonlyMap<number, string> = new Map()): Map<number, string> {
  const match = /^(\d{1,2})=(.+)$/.exec(text);
  if (!match) throw new InvalidArgumentError('give the number of the disk and the file of its image: 0=disk.img');
  return new Map([...before, [Number(match[1]), match[2]!]]);
}

/** The name of a file that is written whole or not at all, so not to a pipe. */
export function parseOutputFile(text: string): string {
  if (text === '' || text === '-')
    throw new InvalidArgumentError('it is written to a file: give its name (./- is one that is called -)');
  return text;
}

/** Collects a repeatable option. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];
