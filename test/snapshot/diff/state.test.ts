import { describe, expect, it } from 'vitest';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp, type MadeUp } from '../show/made-up.ts';
import { temporaryDirectory } from '../store/support.ts';

function compareStates(before: MadeUp, after: MadeUp) {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const [first, second] = [commitMadeUp(store, before, new Map()), commitMadeUp(store, after, new Map())];
  using a = store.open(first);
  using b = store.open(second);
  return diffCheckpoints(a, b).state;
}

const changes = (before: MadeUp, after: MadeUp) =>
  compareStates(before, after).flatMap(({ path, changes: fields }) =>
    fields.map(({ name, before: x, after: y }) => [`${path} ${name}`, x?.meaning ?? x?.value, y?.meaning ?? y?.value]),
  );

describe('state of two checkpoints', () => {
  it('nothing differs in equal ones', () => {
    expect(compareStates({ regs: { rax: 1n } }, { regs: { rax: 1n } })).toEqual([]);
  });

  it('fields by name, with flags in words', () => {
    expect(
      changes(
        { regs: { rbx: 1n, rflags: 2n }, sregs: { cr0: 0x11n }, serialScratch: 1, ioapicPin1: 0x1_0000n },
        { regs: { rbx: 2n, rflags: 0x202n }, sregs: { cr0: 0x8000_0011n }, serialScratch: 2, ioapicPin1: 0x31n },
      ),
    ).toEqual([
      ['vcpu/0/regs rbx', 1n, 2n],
      ['vcpu/0/regs rflags', 2n, 'IF'],
      ['vcpu/0/sregs cr0', 'PE|ET', 'PE|ET|PG'],
      [
        'vm/ioapic pin1',
        'vector 0x0, fixed, edge, active high, physical destination 0, masked',
        'vector 0x31, fixed, edge, active high, physical destination 0',
      ],
      ['device/com1 scr', 1n, 2n],
    ]);
  });

  it('a vCPU that only one machine has', () => {
    const state = compareStates({}, { cpus: 2 });
    const regs = state.find(({ path }) => path === 'vcpu/1/regs');
    expect(regs?.changes.find(({ name }) => name === 'rip')).toMatchObject({ after: { value: 0x10_0000n } });
    expect(regs?.changes.every(({ before }) => before === undefined)).toBe(true);
  });
});
