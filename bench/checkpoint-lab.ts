/** Machines, stores and marks that the checkpoint benchmarks share. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '../snapshot/store/store.ts';
import { Exit } from '../src/abi/exits.ts';
import { LocalMachine } from '../src/runner/local-machine.ts';
import type { RunEnd } from '../src/runner/result.ts';
import { bootedMachine } from './ours.ts';

/** Where bench/guests/dirty.S marks the end of a round. */
const MARK_PORT = 0x80;
const AT_MARK: RunEnd = { reason: 'stop-point' };
const FIRST_MARK_MS = 20_000;

/** Runs `use` with an empty store in a temporary folder. */
export async function withStore<T>(use: (store: Store) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  try {
    using store = openStore(join(folder, 'store'), { create: true });
    return await use(store);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `use` with a guest that stands behind its first mark; each `advance()` runs it to the next. */
export async function withMarkedGuest<T>(
  guest: string,
  memoryMib: number,
  use: (local: LocalMachine) => T | Promise<T>,
): Promise<T> {
  using machine = bootedMachine(guest, memoryMib);
  const served = () => {
    const { area } = local.vcpu;
    return area.exitReason === Exit.IO && area.ioPort === MARK_PORT ? AT_MARK : undefined;
  };
  using local: LocalMachine = new LocalMachine(machine, { served });
  if (local.advance(FIRST_MARK_MS) !== AT_MARK) throw new Error('the guest came to no mark');
  return await use(local);
}
