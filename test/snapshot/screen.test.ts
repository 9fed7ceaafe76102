/** The text screen and the keyboard in checkpoints: the screen is memory and registers, the keys that wait are a record. */
import { expect, it } from 'vitest';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import { openKeyboard } from '../../src/devices/keyboard-input.ts';
import { CRTC } from '../../src/devices/vga-registers.ts';
import { typeText } from '../../tools/screen/keys.ts';
import { screenOf, screenOfCheckpoint } from '../../tools/screen/of-machine.ts';
import { sameScreen } from '../../tools/screen/packed.ts';
import { screenLines } from '../../tools/screen/render.ts';
import { describeKvm } from '../support/kvm.ts';
import { type Doctor, withDoctored } from './doctored.ts';
import { Driver, drive } from './driver.ts';
import { temporaryDirectory } from './store/support.ts';

const TITLE = 'screen: type, end with Esc';

/** Types on the keyboard of a machine; returns how many bytes were taken. */
function type({ machine }: Driver, text: string): number {
  const host = machine.host(() => {});
  return openKeyboard(DEVICE_SPECS, machine.deviceState, host).press(typeText(text));
}

const linesOf = ({ machine }: Driver) => screenLines(screenOf(machine));

/** Runs on until the screen has the line. */
function until(driver: Driver, line: string): void {
  while (!linesOf(driver).includes(line)) expect(driver.go(1).reason).toBe('stop-point');
}

describeKvm('the screen and the keyboard in checkpoints', () => {
  it('come back in a new machine, with keys that were not read yet, and typing goes on', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using first = drive('screen', {}, true).driver;
    until(first, TITLE);
    type(first, 'before');
    until(first, 'before');
    type(first, ' and waiting');
    using session = new CheckpointSession(first.local, store);
    const { digest } = session.checkpoint();
    const then = screenOf(first.machine);

    using checkpoint = store.open(digest);
    expect(sameScreen(then, screenOfCheckpoint(checkpoint))).toBe(true);
    expect(screenLines(screenOfCheckpoint(checkpoint))).toEqual([TITLE, 'before']);

    type(first, '!\x1b');
    expect(first.go()).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(linesOf(first)).toEqual([TITLE, 'before and waiting!', 'screen: bye']);

    const { machine, load } = restoreMachine(checkpoint);
    using second = new Driver(machine);
    load(second.local);
    expect(sameScreen(then, screenOf(machine))).toBe(true);
    type(second, '\nAFTER?\x1b');
    expect(second.go()).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(linesOf(second)).toEqual([TITLE, 'before and waiting', 'AFTER?', 'screen: bye']);
  });

  it('go back with a rollback, again and again', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using driver = drive('screen', {}, true).driver;
    until(driver, TITLE);
    using session = new CheckpointSession(driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    for (const word of ['one', 'two', 'three']) {
      type(driver, `${word}\x1b`);
      expect(driver.go()).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(linesOf(driver)).toEqual([TITLE, word, 'screen: bye']);
      session.rollback(checkpoint);
      expect(linesOf(driver)).toEqual([TITLE]);
    }
  });

  it('of version 0.1, which had neither but for a cursor, restore: the rest is as at power-on', () => {
    const asThen: Doctor = ({ state }) => {
      const crtc = new Uint8Array(26);
      crtc.set([0x00, 0xf7], 1 + CRTC.CURSOR_HIGH); // an index, then the registers: all 0 until the guest wrote them
      state['device/vga-crtc'] = crtc;
      delete state['device/vga'];
      state['device/i8042'] = Uint8Array.of(0x44, 0x03, 0, 0, 0, 0, 0);
    };
    withDoctored(asThen, (store, ref) => {
      using checkpoint = store.open(ref);
      const { machine, load } = restoreMachine(checkpoint);
      using driver = new Driver(machine);
      load(driver.local);
      const screen = screenOf(machine);
      expect(screen).toMatchObject({ columns: 80, rows: 25, height: 16, graphics: false });
      expect(screen).toMatchObject({ cursor: { column: 7, row: 3 }, cursorLines: [13, 14] });
      expect(sameScreen(screen, screenOfCheckpoint(checkpoint))).toBe(true);
      expect(type(driver, 'x')).toBe(2);
      expect(driver.go()).toMatchObject({ reason: 'exit-port' });
      expect(screenLines(screenOfCheckpoint(checkpoint))).toEqual([]);
    });
  });

  it('looking at the screen changes no page and leaves none behind', () => {
    using driver = drive('compute', {}, true).driver;
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using session = new CheckpointSession(driver.local, store);
    session.checkpoint();
    expect(linesOf(driver)).toEqual([]);
    expect(session.checkpoint().stats.pages).toBe(0);
  });
});
