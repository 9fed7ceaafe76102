import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildGuests } from '../../guests/builder/build.ts';
import { buildPlan } from '../../guests/builder/recipe.ts';
import { guestNamed } from '../../guests/list.ts';
import { VmlapseError } from '../../src/errors.ts';

const SOME = ['hello-real', 'hello-long', 'hello-multiboot', 'debugcon'].map(guestNamed);

describe('the guest builder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vmlapse-guests-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('builds everything the first time and nothing the second', async () => {
    const first = await buildGuests(SOME, folder);
    expect(first.built).toEqual(SOME.map((guest) => guest.name));
    expect(first.warnings).toEqual([]);
    const times = () => SOME.map((guest) => statSync(join(folder, guest.file)).mtimeMs);
    const before = times();
    const second = await buildGuests(SOME, folder);
    expect(second).toEqual({ built: [], fresh: SOME.map((guest) => guest.name), compiled: 0, warnings: [] });
    expect(times()).toEqual(before);
  });

  it('makes the same bytes in another folder', async () => {
    await buildGuests(SOME, folder);
    const other = mkdtempSync(join(tmpdir(), 'vmlapse-guests-'));
    try {
      await buildGuests(SOME, other);
      for (const { file } of SOME)
        expect(readFileSync(join(folder, file)).equals(readFileSync(join(other, file))), file).toBe(true);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it('rebuilds a guest that was damaged or removed, from cached objects', async () => {
    await buildGuests(SOME, folder);
    const good = readFileSync(join(folder, 'hello-long.elf'));
    writeFileSync(join(folder, 'hello-long.elf'), good.subarray(0, 100));
    rmSync(join(folder, 'debugcon.elf'));
    const report = await buildGuests(SOME, folder);
    expect(report.built).toEqual(['hello-long', 'debugcon']);
    expect(report.compiled).toBe(0);
    expect(readFileSync(join(folder, 'hello-long.elf')).equals(good)).toBe(true);
  });

  it('rebuilds what a changed definition affects', async () => {
    const loop = guestNamed('port-loop');
    await buildGuests([loop], folder);
    const changed = { ...loop, build: { ...loop.build, defines: { LOOP_PORT: 'PORT_DEBUGCON' } } };
    expect((await buildGuests([changed], folder)).built).toEqual(['port-loop']);
  });

  it('survives two builds at once', async () => {
    const reports = await Promise.all([buildGuests(SOME, folder), buildGuests(SOME, folder)]);
    expect(reports.map((report) => report.built.length)).toEqual([SOME.length, SOME.length]);
    expect((await buildGuests(SOME, folder)).built).toEqual([]);
  });

  it('names the compiler and the cure when there is none', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      const failure = await buildGuests(SOME, folder).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(VmlapseError);
      expect(failure).toMatchObject({ code: 'NO_COMPILER' });
      expect((failure as Error).message).toMatch(/gcc: not found.*apt-get install gcc binutils/);
    } finally {
      process.env.PATH = path;
    }
  });

  it("passes on the compiler's own words", async () => {
    const broken = { ...SOME[1]!, build: { ...SOME[1]!.build, sources: ['hello/missing.S'] } };
    await expect(buildGuests([broken], folder)).rejects.toThrow(/missing\.S/);
    const wrong = {
      ...guestNamed('fault-ud2'),
      build: { ...guestNamed('fault-ud2').build, defines: { FAULT: 'none' } },
    };
    await expect(buildGuests([wrong], folder)).rejects.toThrow(/none/);
  });

  it('gives every source flags that keep it off vector registers', () => {
    for (const step of buildPlan(guestNamed('kernel')).compile) expect(step.flags).toContain('-mgeneral-regs-only');
  });
});
