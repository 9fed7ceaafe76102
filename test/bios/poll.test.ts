import { expect, it } from 'vitest';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import { openKeyboard } from '../../src/devices/keyboard-input.ts';
import { Machine } from '../../src/machine/machine.ts';
import { typeText } from '../../tools/screen/keys.ts';
import { Driver } from '../snapshot/driver.ts';
import { describeKvm } from '../support/kvm.ts';

/** cli; 1: mov $1, %ah; int $0x16; jz 1b; mov $0, %ah; int $0x16; out %al, $0xf4 */
const POLLS_FOR_A_KEY = 'fab401cd1674fab400cd16e6f4';

describeKvm('a program that asks for a key again and again with interrupts off', () => {
  it('gets one', () => {
    const sector = Buffer.alloc(512);
    sector.write(POLLS_FOR_A_KEY, 'hex');
    sector.writeUInt16BE(0x55aa, 510);
    const machine = Machine.create({ memory: 2 ** 20 });
    bootImage(machine, load(sector, { memoryMap: machine.memory.memoryMap }));
    using driver = new Driver(machine);
    driver.go(20);
    openKeyboard(
      DEVICE_SPECS,
      machine.deviceState,
      machine.host(() => {}),
    ).press(typeText('k'));
    expect(driver.go()).toMatchObject({ reason: 'exit-port', value: 'k'.charCodeAt(0) });
  });
});
