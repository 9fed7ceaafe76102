import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import { seekingLastAccess } from '../../debug/replay/last-access.ts';
import { debugAbilities } from '../../debug/stops/abilities.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { describeKvm } from '../support/kvm.ts';
import { look } from './straight.ts';
import { machineOfCode, type Recorded, record, recordGuest } from './support.ts';

/** Of each recorded point: whether going to its last IN or OUT stops, having seen that it is where a step back leads. */
function stops(recorded: Recorded): boolean[] {
  using history = new History(recorded.open());
  const { replayer } = history;
  return replayer.recording.points.map(({ exits }, point) => {
    replayer.load(point);
    const way = seekingLastAccess(replayer);
    let next = way.next();
    while (!next.done) next = way.next();
    if (!next.value) return false;
    const seen = look(history);
    history.step();
    expect(history.position).toEqual({ exits, steps: 0 });
    replayer.load(point);
    expect(history.stepBack()).toBe(true);
    expect(seen, `exit ${exits}`).toBe(look(history));
    return true;
  });
}

/** Whether this host stops at breakpoints of the processor. */
function breaks(): boolean {
  using kvm = Kvm.open();
  const { real, kernel } = debugAbilities(kvm);
  return real.hardware.execute && kernel.hardware.execute;
}

describeKvm('the IN or OUT that made the last exit', () => {
  it('is reached at full speed, with all as a step back finds it', () => {
    const CODE = `
      b9 e8 03              ; mov cx, 1000
      fe 06 00 20           ; again: inc byte [0x2000]
      e2 fa                 ; loop again
      e6 80                 ; out 0x80, al
      ba f8 03              ; mov dx, 0x3f8
      b0 41                 ; mov al, 'A'
      ee                    ; out dx, al
      66 ba fd 03 00 00     ; mov edx, 0x3fd
      ec                    ; in al, dx
      a2 01 20              ; mov [0x2001], al
      e6 f4                 ; out 0xf4, al`;
    using recorded = record(machineOfCode(CODE), { everyMs: 0 });
    const [first, ...others] = stops(recorded);
    expect(first).toBe(false);
    expect(others).toEqual(Array(4).fill(breaks()));
  });

  it('in long mode; of a REP OUTS it is left to steps', () => {
    using recorded = recordGuest('overrun', { everyMs: 0 });
    const found = stops(recorded);
    expect(found.includes(true)).toBe(breaks());
    expect(found.filter((stopped) => !stopped).length).toBeGreaterThan(1);
  });
});
