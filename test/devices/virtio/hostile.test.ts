/** What a driver must not do, one by one and at random: the device needs a reset, and no more happens. */
import { describe, expect, it } from 'vitest';
import { INTERRUPT, REG, STATUS } from '../../../src/devices/virtio/registers.ts';
import { RingFuzzer } from './fuzz.ts';
import { testDevice } from './support.ts';

const RAM = 2 ** 21;

/** Makes one descriptor available after `spoil`, and says what the user is told. */
function outcome(spoil: (test: ReturnType<typeof testDevice>) => void): string {
  using test = testDevice(40_960);
  const { driver, notes } = test;
  driver.start();
  spoil(test);
  driver.notify();
  const status = driver.get(REG.STATUS);
  expect(driver.takeUsed()).toEqual([]);
  if ((status & STATUS.NEEDS_RESET) === 0) return 'works on';
  expect(driver.get(REG.INTERRUPT_STATUS) & INTERRUPT.CONFIG).toBe(INTERRUPT.CONFIG);
  driver.start();
  expect(driver.request(0, 0, 512).status).toBe(0);
  return notes[0]!.replace(/^the driver of virtio device 0 gave it (.*): the device waits for a reset$/, '$1');
}

describe('a driver', () => {
  it.each([
    [
      'a loop',
      ({ driver }) => {
        driver.descriptor(driver.descriptors, 0, { gpa: 0x1000, length: 16 }, 1, 0);
        driver.makeAvailable(0);
      },
      'a chain of more than 1024 descriptors, or a loop',
    ],
    ['a head outside the table', ({ driver }) => driver.makeAvailable(16), 'descriptor 16 in a table of 16'],
    [
      'a next outside the table',
      ({ driver }) => {
        driver.descriptor(driver.descriptors, 0, { gpa: 0x1000, length: 16 }, 1, 16);
        driver.makeAvailable(0);
      },
      'descriptor 16 in a table of 16',
    ],
    [
      'a buffer that ends outside RAM',
      ({ driver }) => void driver.offer([{ gpa: RAM - 8, length: 16 }]),
      'a buffer of 16 bytes at 0x1ffff8, outside RAM',
    ],
    [
      'a buffer in the registers',
      ({ driver }) => void driver.offer([{ gpa: 0xfeb00000, length: 16 }]),
      'a buffer of 16 bytes at 0xfeb00000, outside RAM',
    ],
    [
      'a buffer of 4 GiB',
      ({ driver }) => void driver.offer([{ gpa: 0, length: 0xffff_ffff }]),
      'a buffer of 4294967295 bytes at 0x0, outside RAM',
    ],
    [
      'a buffer to read behind one to write',
      ({ driver }) =>
        void driver.offer([
          { gpa: 0, length: 8, write: true },
          { gpa: 0, length: 8 },
        ]),
      'a buffer to read behind one to write',
    ],
    [
      'a table in a table',
      ({ driver }) => {
        driver.descriptor(0x50000, 0, { gpa: 0x50000, length: 16 }, 4, 0);
        driver.descriptor(driver.descriptors, 0, { gpa: 0x50000, length: 16 }, 4, 0);
        driver.makeAvailable(0);
      },
      'an indirect table that is not the end of a chain',
    ],
    [
      'half a table',
      ({ driver }) => {
        driver.descriptor(driver.descriptors, 0, { gpa: 0x50000, length: 24 }, 4, 0);
        driver.makeAvailable(0);
      },
      'an indirect table of 24 bytes',
    ],
    [
      'more chains than there are',
      ({ driver, ram }) => ram.writeWord(driver.available + 2, 17),
      '17 chains are available in a queue of 16',
    ],
    [
      'no status',
      ({ driver }) => void driver.offer([{ gpa: 0x1000, length: 16 }]),
      'a request without a header or a status byte',
    ],
    [
      'no header',
      ({ driver }) => void driver.offer([{ gpa: 0x1000, length: 16, write: true }]),
      'a request without a header or a status byte',
    ],
    [
      'a ring outside RAM',
      ({ driver }) => {
        driver.set(REG.QUEUE_READY, 0);
        driver.set(REG.QUEUE_DEVICE, RAM - 64);
        driver.set(REG.QUEUE_READY, 1);
      },
      'its used ring at 0x1fffc0',
    ],
    [
      'a queue of 3',
      ({ driver }) => {
        driver.set(REG.QUEUE_READY, 0);
        driver.set(REG.QUEUE_SIZE, 3);
        driver.set(REG.QUEUE_READY, 1);
      },
      'a queue of 3 descriptors',
    ],
    ['a queue that is moved while it is ready', ({ driver }) => driver.set(REG.QUEUE_DESC, RAM), 'works on'],
    ['a queue that there is not', ({ driver }) => driver.set(REG.QUEUE_NOTIFY, 1), 'works on'],
  ] as const satisfies readonly (readonly [string, (test: ReturnType<typeof testDevice>) => void, string])[])(
    'that gives it %s',
    (_, spoil, told) => {
      expect(outcome(spoil)).toBe(told);
    },
  );

  it('at random, 2,000 times: within RAM, and works again after a reset', () => {
    using fuzzer = new RingFuzzer(20_261_129);
    const verdicts = new Map<string, number>();
    for (let number = 0; number < 2000; number++) {
      const verdict = fuzzer.run(number);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    expect(fuzzer.imageIsWhole).toBe(true);
    for (const verdict of ['needs a reset', 'was reset', 'works'])
      expect(verdicts.get(verdict) ?? 0, verdict).toBeGreaterThan(100);
  });
});
