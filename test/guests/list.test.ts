import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUILD_FOLDER, GUESTS_FOLDER } from '../../guests/builder/paths.ts';
import { COMPUTE_HASHES } from '../../guests/catalog/kernel.ts';
import { contractHeader, MEMORY, PORTS } from '../../guests/contract.ts';
import { exitStatus } from '../../guests/guest.ts';
import { GUESTS, guestNamed, guestPath } from '../../guests/list.ts';
import { computeHashes, memoryWriterResult, stampResult } from '../../guests/models.ts';
import { UsageError } from '../../src/errors.ts';

/** Text that satisfies the expectation of an exact guest. */
const exactOutput = (name: string) => guestNamed(name).expect.stdout as string;

describe('the list of guests', () => {
  it('has unique names and files', () => {
    expect(new Set(GUESTS.map((guest) => guest.name)).size).toBe(GUESTS.length);
    expect(new Set(GUESTS.map((guest) => guest.file)).size).toBe(GUESTS.length);
  });

  it('uses every source outside the runtime, and only sources that exist', () => {
    const used = new Set(GUESTS.flatMap((guest) => guest.build.sources));
    const there = readdirSync(GUESTS_FOLDER, { recursive: true, encoding: 'utf8' });
    const sources = there.filter((name) => /\.[cS]$/.test(name) && !/^(runtime|build)\//.test(name));
    expect([...used].filter((name) => !name.startsWith('runtime/')).sort()).toEqual(sources.sort());
  });

  it('says where a guest is, and refuses unknown names', () => {
    expect(guestPath('hello-long')).toBe(join(BUILD_FOLDER, 'hello-long.elf'));
    expect(guestPath('hello-real')).toMatch(/\.bin$/);
    expect(() => guestPath('hello-lang')).toThrow(UsageError);
    expect(() => guestPath('hello-lang')).toThrow(/hello-long/);
  });

  it('knows the exit status of a process that runs the guest', () => {
    expect(exitStatus(guestNamed('compute').expect.ending)).toBe(0x0c);
    expect(exitStatus(guestNamed('fault-triple').expect.ending)).toBe(126);
    expect(exitStatus(guestNamed('hlt-forever').expect.ending)).toBe(0);
    expect(exitStatus(guestNamed('spin').expect.ending)).toBeUndefined();
  });

  it('marks guests with a clock, an interrupt or a second processor as not deterministic', () => {
    for (const guest of GUESTS) {
      if (guest.options.cpus > 1 || guest.options.stdin !== undefined || guest.name.startsWith('timer'))
        expect(guest.deterministic, guest.name).toBe(false);
    }
  });
});

describe('built guests', () => {
  it('are there and of sane size', () => {
    for (const guest of GUESTS) {
      const { size } = statSync(guestPath(guest.name));
      expect(size, guest.name).toBeGreaterThan(16);
      expect(size, guest.name).toBeLessThan(guest.build.runtime ? 64 * 1024 : 32 * 1024);
      if (guest.format === 'boot-sector') expect(size).toBe(512);
    }
  });

  it('share the contract with the host', () => {
    const header = readFileSync(join(BUILD_FOLDER, 'contract.h'), 'utf8');
    expect(header).toBe(contractHeader());
    expect(header).toContain(`#define PORT_DEBUG_EXIT 0x${PORTS.DEBUG_EXIT.toString(16)}\n`);
    expect(header).toContain(`#define MEMORY_KERNEL 0x${MEMORY.KERNEL.toString(16)}\n`);
  });
});

describe('expected outputs agree with a model of the guest', () => {
  it('compute', () => {
    const hashes = computeHashes(COMPUTE_HASHES.length);
    expect(hashes).toEqual(COMPUTE_HASHES);
    expect(exitStatus(guestNamed('compute').expect.ending)).toBe(Number.parseInt(hashes.at(-1)!.slice(-2), 16));
  });

  it.each([
    ['memory-writer-bounded', 0],
    ['ring3-writer-bounded', 1],
  ])('%s', (name, stride) => {
    const { checksum, pages } = memoryWriterResult({ span: 256, pages: 64, stride, rounds: 100, seed: 1n });
    expect(exactOutput(name)).toContain(`checksum ${checksum}\n`);
    expect(pages.size).toBe(stride === 0 ? 256 : 64);
  });

  it('stamp-bounded', () => {
    expect(exactOutput('stamp-bounded')).toContain(`random state ${stampResult(512, 16, 100).randomState}\n`);
  });
});
