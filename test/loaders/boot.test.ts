import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { type BootTarget, bootImage } from '../../loaders/place.ts';
import { bzImage, guest, MIB } from './build.ts';
import { refused } from './refused.ts';

/** A machine that writes down what is done to it. */
function machine(mib: number, rsdp?: { gpa: number; bytes: Uint8Array }) {
  const calls: string[] = [];
  const hex = (n: number) => n.toString(16);
  const target: BootTarget = {
    memory: {
      ranges: [{ base: 0, size: mib * MIB }],
      write: (gpa, bytes) => calls.push(`write ${hex(gpa)} ${hex(bytes.length)}`),
      zero: (gpa, length) => calls.push(`zero ${hex(gpa)} ${hex(length)}`),
    },
    addRom: (gpa, content) => calls.push(`rom ${hex(gpa)} ${hex(content.length)}`),
    setBoot: (entry, occupied) => {
      calls.push(`boot ${entry.mode} ${occupied.map((o) => `${hex(o.base)}+${hex(o.size)}`).join(' ')}`);
      return rsdp;
    },
  };
  return { target, calls };
}

describe('bootImage', () => {
  test('RAM is written, ROM mapped, and the entry set', () => {
    const { target, calls } = machine(16);
    bootImage(target, load(new Uint8Array(8192), guest(16, { format: 'rom' })));
    expect(calls).toEqual(['write fe000 2000', 'rom ffffe000 2000', 'boot real fe000+2000 ffffe000+2000']);
  });

  test('reserved ranges count as occupied', () => {
    const { target, calls } = machine(64);
    bootImage(target, load(bzImage(), guest(64)));
    expect(calls.at(-1)).toBe('boot long 1000000+1000 10000+1000 11000+1 1001000+ff000');
  });

  const RSDP = { gpa: 0xe_0000, bytes: new Uint8Array(36) };

  test('the root pointer of ACPI tables goes into boot_params, after the machine has them', () => {
    const { target, calls } = machine(64, RSDP);
    bootImage(target, load(bzImage(), guest(64)));
    expect(calls.slice(-2)).toEqual([expect.stringMatching(/^boot long/), 'write 10070 8']);
  });

  test('a protocol without such a pointer is told nothing', () => {
    const { target, calls } = machine(64, RSDP);
    bootImage(target, load(new Uint8Array(4096), guest(64, { format: 'flat', mode: 'long', load: 2 * MIB })));
    expect(calls.at(-1)).toMatch(/^boot long/);
  });

  test('a plan that does not fit leaves the machine untouched', () => {
    const { target, calls } = machine(1);
    const image = load(new Uint8Array(4096), guest(64, { format: 'flat', mode: 'long', load: 2 * MIB }));
    refused(() => bootImage(target, image), 'OUTSIDE_RAM', /at least 3 MiB/);
    expect(calls).toEqual([]);
  });
});
