/** What `restore --explain` says is what a restore does. */
import { expect, it } from 'vitest';
import { explainRestore, restoreSteps } from '../../snapshot/explain.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { setTracer } from '../../src/kvm/call.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { withDoctored } from './doctored.ts';

describeKvm('the explanation of a restore', () => {
  it.each([true, false])('names the ioctls in the order in which they are made (irqchip: %s)', (irqchip) => {
    withDoctored(
      () => {},
      (store, ref) => {
        using checkpoint = store.open(ref);
        const made: string[] = [];
        setTracer(({ name }) => made.push(name));
        try {
          const { machine, load } = restoreMachine(checkpoint);
          using _machine = machine;
          using local = new LocalMachine(machine);
          load(local);
          local.completePendingIo(); // registers that were handed over are taken with the next KVM_RUN
        } finally {
          setTracer(undefined);
        }
        const state = decodeState(checkpoint.config);
        const said = restoreSteps(state)
          .map(([ioctl]) => ioctl)
          .filter((name) => name.startsWith('KVM_'));
        const changing = made.filter(
          (name) => /^KVM_(CREATE|SET|KVMCLOCK)/.test(name) && name !== 'KVM_SET_SIGNAL_MASK',
        );
        // Not made where they would change nothing: the host's own TSC frequency, a guest without kvmclock; and what goes
        // with KVM_RUN instead of by an ioctl of its own.
        const optional = [
          'KVM_SET_TSC_KHZ',
          'KVM_KVMCLOCK_CTRL',
          'KVM_SET_REGS',
          'KVM_SET_SREGS',
          'KVM_SET_SREGS2',
          'KVM_SET_VCPU_EVENTS',
        ];
        const left = said.filter((name) => changing.includes(name) || !optional.includes(name));
        expect(changing).toEqual(left);
        expect(explainRestore(state).trimEnd().split('\n')).toHaveLength(restoreSteps(state).length);
        for (const line of explainRestore(state).trimEnd().split('\n')) expect(line).toMatch(/^(KVM_\w+|\(copy\)) +\S/);
      },
      irqchip,
    );
  });
});
