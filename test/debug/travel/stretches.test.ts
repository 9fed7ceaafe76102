/** What of an interval is stepped on the way back: all of it, where the guest may have been where breakpoints do not stop it. */
import { expect, it } from 'vitest';
import { History } from '../../../debug/history.ts';
import { stretchesBack } from '../../../debug/travel/stretches.ts';
import { describeKvm } from '../../support/kvm.ts';
import { machineOfCode, record } from '../support.ts';

const TURNS = `
  b9 20 00              ; mov cx, 32
  e6 80                 ; again: out 0x80, al
  e2 fc                 ; loop again
  e6 f4                 ; out 0xf4, al`;
const SETS_SYSENTER = `
  66 b9 74 01 00 00     ; mov ecx, IA32_SYSENTER_CS
  66 b8 08 00 00 00     ; mov eax, 8
  66 31 d2              ; xor edx, edx
  0f 30                 ; wrmsr`;
/** A stack pointer in the TSS, which begins at 0 in real mode. */
const SETS_STACK = `
  c6 06 04 00 01        ; mov byte [4], 1`;
const CLEARS_STACK = `
  c6 06 04 00 00        ; mov byte [4], 0`;

describeKvm('the stretches to step on the way back to a breakpoint', () => {
  it.each([
    ['none of its ways back', '', false],
    ['SYSENTER', SETS_SYSENTER, true],
    ['a stack in its TSS', SETS_STACK, true],
    ['one for a while', SETS_STACK + CLEARS_STACK, true],
  ])('where ring 3 is not stopped and the guest has %s', (_, code, isUncertain) => {
    const machine = machineOfCode(code + TURNS);
    machine.memory.zero(0, 0x400); // the interrupt vectors of the BIOS
    using recorded = record(machine, { everyMs: 60_000 });
    using history = new History(recorded.open());
    const { replayer } = history;
    const ring0 = { hardware: { execute: true } };
    const abilities = { real: ring0, kernel: ring0, user: { hardware: { execute: false } } };
    const end = { exits: recorded.report.exits, steps: 0 };
    const wanted = { breakpoints: new Set([0xffffn]), pages: [] };
    const stretches = [...stretchesBack(replayer, abilities as never, wanted, 0, end)].filter((one) => one);
    expect(stretches).toEqual(isUncertain ? [{ from: { exits: 0, steps: 0 }, to: end }] : []);
  });
});
