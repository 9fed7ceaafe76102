/** Checkpoints of a guest that runs: a diff names the counters it moved, and a debugger reads them from the core. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { exportElf } from '../../../snapshot/export/export.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { stateSections } from '../../../snapshot/show/state-sections.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { findSymbols } from '../../../tools/cli/symbols.ts';
import { drive } from '../../snapshot/driver.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scratch } from '../cli/cli.ts';

/** Takes two checkpoints of the memory writer, and says what its counter was at each. */
function twoCheckpoints(store: Store) {
  const { driver, counter } = drive('memory-writer-bounded', { param_rounds: 100_000 }, true);
  using _ = driver;
  using session = new CheckpointSession(driver.local, store);
  return [1, 2].map(() => {
    driver.go(60);
    const { digest } = session.checkpoint();
    return { digest, rounds: counter('writer_rounds') };
  }) as [{ digest: Digest; rounds: number }, { digest: Digest; rounds: number }];
}

const GUEST = guestPath('memory-writer-bounded');
const gdb = ['/usr/bin/gdb', '/usr/local/bin/gdb'].find((path) => existsSync(path));

describeKvm('a guest that counts', () => {
  it('its counters are in the diff, with their values', () => {
    using folder = scratch();
    using store = openStore(folder.path, { create: true });
    const [first, second] = twoCheckpoints(store);
    expect(second.rounds).toBeGreaterThan(first.rounds);
    using a = store.open(first.digest);
    using b = store.open(second.digest);
    const symbols = findSymbols(GUEST, decodeState(b.config).description);
    const { memory, state } = diffCheckpoints(a, b, { symbols });
    const range = memory.ranges.find(({ symbol }) => symbol?.name === 'writer_rounds');
    expect(range?.value).toEqual({ before: BigInt(first.rounds), after: BigInt(second.rounds) });
    expect(memory.places.map(({ name }) => name)).toContain('writer_writes');
    expect(state.find(({ path }) => path === 'vcpu/0/msrs')?.changes.map(({ name }) => name)).toContain('IA32_TSC');
  });

  it('every part of the state that this kernel gives is understood: none is shown as bare bytes', () => {
    using folder = scratch();
    using store = openStore(folder.path, { create: true });
    using checkpoint = store.open(twoCheckpoints(store)[1].digest);
    const sections = stateSections(decodeState(checkpoint.config));
    const bare = sections.filter(({ path, fields }) => !path.startsWith('rom/') && fields[0]?.name === 'bytes');
    expect(bare.map(({ path }) => path)).toEqual([]);
    expect(sections.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['vcpu/0/regs', 'vcpu/0/lapic', 'vm/pit2', 'vm/ioapic', 'vm/pic_master', 'device/com1']),
    );
  });

  (gdb ? it : it.skip)(`gdb reads the counter from the core${gdb ? '' : ' [skipped: no gdb here]'}`, () => {
    using folder = scratch();
    using store = openStore(folder.file('store'), { create: true });
    const { digest, rounds } = twoCheckpoints(store)[1];
    using checkpoint = store.open(digest);
    const core = folder.file('core');
    exportElf(checkpoint, core);
    const print = ['-ex', 'print (unsigned long)writer_rounds', '-ex', 'info symbol $rip'];
    const { stdout } = spawnSync(gdb!, ['-batch', '-nx', ...print, GUEST, core], { encoding: 'utf8' });
    expect(stdout).toContain(`$1 = ${rounds}\n`);
    expect(stdout).toMatch(/ in section \.[\w.]*text/);
  });
});
