/** Breakpoint bytes are the debugger's own business: no checkpoint, no comparison and no list of dirty pages has them. */
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { BREAK_BYTES, BreakBytes } from '../../../debug/stops/break-bytes.ts';
import { Debugger } from '../../../debug/stops/debugger.ts';
import { diff } from '../../../snapshot/diff/diff.ts';
import { LiveSession } from '../../../snapshot/live/live-session.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { startCode } from '../../runner/machines.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';
import { describeKvm } from '../../support/kvm.ts';

/** inc edx; jmp to it; and at 0x9100, on another page than what runs, what it never comes to. */
const GUEST = { mode: 'protected', code: 'ffc2 ebfc' } as const;
const FAR = 0xa000;
const OWN = 0x5a;

/** A machine that runs with a breakpoint in it, in a page of its own. Skips the test where breakpoints in memory do not stop. */
async function withBreakpoint(
  { skip }: TestContext,
  use: (dbg: Debugger, byte: () => number) => Promise<void>,
): Promise<void> {
  await using started = await startCode(GUEST);
  const { running, machine } = started;
  const { software } = debugAbilities(machine.kvm).kernel;
  if (!software) return skip('breakpoints in memory do not stop code in ring 0 on this host');
  machine.memory.write(FAR, Uint8Array.of(OWN));
  const dbg = Debugger.attach(running);
  void running.run().catch(() => {});
  await dbg.setBreakpoint(BigInt(FAR));
  const stopped = dbg.resume();
  await new Promise((resolve) => setImmediate(resolve));
  while (!running.running) await new Promise((resolve) => setImmediate(resolve));
  const byte = () => machine.memory.read(FAR, 1)[0]!;
  expect(byte()).toBe(BREAK_BYTES[software]);
  await use(dbg, byte);
  expect(byte()).toBe(BREAK_BYTES[software]);
  expect(running.running).toBe(true);
  dbg.interrupt();
  expect(await stopped).toMatchObject({ kind: 'interrupt' });
  expect(byte()).toBe(OWN);
  await dbg.detach();
}

describeKvm('a breakpoint byte', () => {
  it('is in no live checkpoint of a machine that runs, full or incremental, and makes no page dirty', async (test) => {
    await withBreakpoint(test, async ({ running }) => {
      using folder = temporaryDirectory();
      using store = openStore(join(folder.path, 'store'), { create: true });
      const live = await LiveSession.start(running, store);
      const byteIn = (digest: string) => {
        using checkpoint = store.open(digest);
        const page = new Uint8Array(4096);
        checkpoint.readPages([FAR], page);
        return page[0];
      };
      const first = await live.checkpoint();
      expect(byteIn(first.digest)).toBe(OWN);
      const second = await live.checkpoint();
      expect(byteIn(second.digest)).toBe(OWN);
      expect(live.session.tracker.pending.every((pages) => !pages.has(FAR / 4096))).toBe(true);
      {
        using before = store.open(first.digest);
        expect(diff(before, live.session).memory.ranges.filter(({ gpa }) => gpa >= FAR && gpa < FAR + 4096)).toEqual(
          [],
        );
      }
      await live.close();
    });
  });

  it('is in no checkpoint of a session without threads of its own', async (test) => {
    await withBreakpoint(test, async ({ running }) => {
      using folder = temporaryDirectory();
      using store = openStore(join(folder.path, 'store'), { create: true });
      using session = new CheckpointSession(running, store);
      const { digest } = session.checkpoint();
      running.resume();
      using checkpoint = store.open(digest);
      const page = new Uint8Array(4096);
      checkpoint.readPages([FAR], page);
      expect(page[0]).toBe(OWN);
    });
  });

  it('comes back behind a copy, and the machine does not run on where it was paused meanwhile', async (test) => {
    await withBreakpoint(test, async ({ running, machine }) => {
      {
        using _clean = machine.pages.clean();
        expect(running.hold()).toBe(true);
      }
      expect(running.held).toBe(true);
      running.resume();
    });
  });

  it('that the guest has written over stays as the guest wrote it', async () => {
    const memory = { bytes: Uint8Array.of(OWN, OWN), view: (gpa: number) => memory.bytes.subarray(gpa, gpa + 1) };
    const bytes = new BreakBytes(memory);
    const places = [0, 1].map((physical) => ({ physical, how: 'debug' as const }));
    bytes.insert([...places, ...places]);
    expect([...memory.bytes]).toEqual([0xcc, 0xcc]);
    memory.bytes[0] = 0x77;
    expect(bytes.remove().map(({ physical }) => physical)).toEqual([0, 1]);
    expect([...memory.bytes]).toEqual([0x77, OWN]);
    expect([bytes.areIn, bytes.remove()]).toEqual([false, []]);
  });
});
