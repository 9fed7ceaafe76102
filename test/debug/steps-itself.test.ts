/** A recorded guest that steps itself, by the flag that KVM steps by: it is replayed, but where it does so it is not stepped. */
import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import { Traveler } from '../../debug/travel/traveler.ts';
import { UsageError } from '../../src/errors.ts';
import { describeKvm } from '../support/kvm.ts';
import { withHandler } from './interrupted-code.ts';
import { machineOfCode, record } from './support.ts';

/** The handler of #DB counts at 0x2000. Behind exit 1 the guest sets the trap flag, and clears it before exit 2. */
const guest = (sets: string) =>
  withHandler(
    `
    bc 00 70                ; mov sp, 0x7000
    c7 06 04 00 40 7c       ; mov word [4], 0x7c40
    c7 06 06 00 00 00       ; mov word [6], 0
    e6 80                   ; out 0x80, al
    9c 58 80 cc 01 50       ; pushf; pop ax; or ah, 1; push ax
    ${sets}
    90 90 90                ; nop; nop; nop
    9c 58 80 e4 fe 50 9d    ; pushf; pop ax; and ah, 0xfe; push ax; popf
    e6 80                   ; out 0x80, al
    e6 f4                   ; out 0xf4, al`,
    `
    fe 06 00 20             ; inc byte [0x2000]
    cf                      ; iret`,
  );

const GUESTS = {
  POPF: guest('9d ; popf'),
  IRET: guest('0e 68 1c 7c cf ; push cs; push 0x7c1c, where the NOPs are; iret'),
};

describeKvm('a guest that steps itself', () => {
  for (const [name, code] of Object.entries(GUESTS)) {
    it(`is stepped to where it begins to, and run from there: ${name}`, async () => {
      using recorded = record(machineOfCode(code));
      using history = new History(recorded.open());
      const counted = () => history.machine.memory.readUint(0x2000, 1);
      history.seek({ exits: 2, steps: 0 });
      const count = counted();
      expect(count).toBeGreaterThan(3n);
      history.seek({ exits: 1, steps: 0 });
      expect(() => {
        while (history.position.exits === 1) history.step();
      }).toThrow(/there is no step: the guest is about to step itself/);
      const last = history.position;
      expect(last.exits).toBe(1);
      expect(counted()).toBe(0n);
      history.seek({ exits: 2, steps: 0 });
      expect(counted()).toBe(count);
      history.seek(history.end);
      expect(history.lastWrite({ gpa: 0x2000, length: 1 })).toMatchObject({ by: 'vcpu', isExact: false });
    });

    it(`leaves a debugger where it stands, if it is to go there: ${name}`, async () => {
      using recorded = record(machineOfCode(code));
      using history = new History(recorded.open());
      const traveler = new Traveler(history);
      traveler.past.goTo('2');
      const { pc } = await traveler.vcpu();
      expect(() => traveler.past.goTo('1+20')).toThrow(UsageError);
      expect(traveler.past.position).toBe('2');
      expect((await traveler.vcpu()).pc).toBe(pc);
      await expect(traveler.past.back('step')).rejects.toThrow(/about to step itself/);
      expect(traveler.past.position).toBe('2');
    });
  }
});
