/** Guests of the BIOS in checkpoints, taken behind each of their calls and while they wait for a key. */
import { expect, it } from 'vitest';
import { guestNamed } from '../../guests/list.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import { openKeyboard } from '../../src/devices/keyboard-input.ts';
import { typeText } from '../../tools/screen/keys.ts';
import { screenOf } from '../../tools/screen/of-machine.ts';
import { screenLines } from '../../tools/screen/render.ts';
import { Driver } from '../snapshot/driver.ts';
import { machineOf } from '../snapshot/fidelity/play.ts';
import { Played, withCheckpoint } from '../snapshot/fork-subjects.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';

const linesOf = ({ machine }: Pick<Driver, 'machine'>) => screenLines(screenOf(machine));

function type({ machine }: Driver, text: string): number {
  const host = machine.host(() => {});
  return openKeyboard(DEVICE_SPECS, machine.deviceState, host).press(typeText(text));
}

/** Runs on until the screen's last line is this one. */
function until(driver: Driver, line: string): void {
  while (linesOf(driver).at(-1) !== line) expect(driver.go(1).reason).toBe('stop-point');
}

describeKvm('a guest of the BIOS', () => {
  it.each([1, 2, 3, 7, 20, 24, 25, 26, 27, 40])('with a disk goes on in a new machine from its exit %i', (exits) =>
    withCheckpoint('boot-disk', exits, (checkpoint) => {
      using restored = Played.restored(checkpoint);
      expect(restored.rest().passage).toMatchObject({ end: 'exit-port', value: 0 });
      expect(linesOf(restored)).toEqual(['read from the disk', 'read from the disk']);
    }),
  );

  it('waits for a key, is saved, and goes on with the next key in a new machine', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using first = new Driver(machineOf(guestNamed('boot-echo')));
    until(first, 'type:');
    type(first, 'Boot');
    until(first, 'type: Boot');
    using session = new CheckpointSession(first.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    type(first, ' there\n');
    expect(first.go()).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(linesOf(first)).toEqual(['type: Boot there']);

    const { machine, load } = restoreMachine(checkpoint);
    using second = new Driver(machine);
    load(second.local);
    type(second, ' HERE!\n');
    expect(second.go()).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(linesOf(second)).toEqual(['type: Boot HERE!']);
  });
});
