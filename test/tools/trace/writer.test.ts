import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LEAST_LIMIT, TraceWriter } from '../../../tools/trace/writer.ts';
import { HEADER, read, run, written } from './support.ts';

/** So many different events do not fit into the smallest file. */
const MANY = 60_000;
const noise = (i: number) => ({
  arg: Array.from({ length: 4 }, (_, k) => Math.imul(i * 4 + k, 2_654_435_761) >>> 0).join(),
});

describe('the limit of a trace', () => {
  const file = written((writer) => {
    for (let i = 0; i < MANY; i++)
      writer.event(i % 3 === 0 ? run(i, { name: 'KVM_GET_REGS', ...noise(i) }) : run(i, noise(i)));
  }, LEAST_LIMIT * 8);

  it('is kept', () => {
    expect(file.length).toBeLessThanOrEqual(LEAST_LIMIT * 8);
    expect(file.length).toBeGreaterThan(LEAST_LIMIT * 4);
  });

  it('leaves out the rest, and counts it', async () => {
    const { events, ending } = await read(file);
    expect(events.length).toBeGreaterThan(1000);
    expect(events[0]).toEqual(run(0, { name: 'KVM_GET_REGS', ...noise(0) }));
    if (ending.kind !== 'whole' || !ending.leftOut) throw new Error(JSON.stringify(ending));
    const { leftOut } = ending;
    expect(leftOut.events).toBe(MANY - events.length);
    const kept = events.filter((event) => 'name' in event && event.name === 'KVM_RUN').length;
    expect(leftOut.ioctls.KVM_RUN!.calls).toBe((MANY * 2) / 3 - kept);
    expect(leftOut.exits).toEqual({ IO: leftOut.ioctls.KVM_RUN!.calls });
    expect(leftOut.ioctls.KVM_GET_REGS!.us).toBeCloseTo(leftOut.ioctls.KVM_GET_REGS!.calls * 0.5);
  });
});

describe('a trace that cannot be written', () => {
  it('ends, and says so once', () => {
    const fd = openSync('/dev/full', 'w');
    const said: string[] = [];
    const writer = new TraceWriter(fd, HEADER, 2 ** 20, (error) => void said.push(error.message));
    writer.event(run(1));
    writer.close();
    closeSync(fd);
    expect(said).toEqual([expect.stringMatching(/ENOSPC/)]);
  });
});
