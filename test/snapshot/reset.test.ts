/** A machine that is reset starts again, with what was in memory besides its image. */
import { expect, it } from 'vitest';
import { resetter } from '../../snapshot/reset.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { CODE, DATA, withGuest } from '../support/flat-guest.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

describeKvm('a reset', () => {
  it('gives vCPU, devices and image back as they were, and leaves the rest of memory', () => {
    // inc byte [rbx]; in al, 0xe0; mov [rbx+1], al; mov al, 9; out 0xe0, al; inc byte [CODE+0x100]; mov al, 1; out 0x92, al
    const code = `fe03 e4e0 884301 b009 e6e0 fe042500810000 b001 e692 f4`;
    withGuest({ mode: 'long', code, irqchip: true }, (machine, vcpu) => {
      using local = new LocalMachine(machine, {}, vcpu);
      const again = () => machine.memory.write(CODE + 0x100, Uint8Array.of(0));
      const reset = resetter(local, again);
      for (let round = 1; round <= 3; round++) {
        expect(local.run({ timeoutMs: scaled(5000) }).reason).toBe('reset');
        expect([...machine.memory.read(DATA, 2)], 'memory stays, the device does not').toEqual([round, 0]);
        expect([...machine.memory.read(CODE + 0x100, 1)]).toEqual([1]);
        reset();
        expect([...machine.memory.read(CODE + 0x100, 1)]).toEqual([0]);
      }
    });
  });
});
