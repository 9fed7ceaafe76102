/**
 * The keyboard controller at 0x60 and 0x64 with nothing plugged in: it answers its own commands, says that no line
 * leads to a keyboard or mouse, and resets the machine. Commands as in the IBM PS/2 Hardware Interface Technical
 * Reference, "Keyboard and Auxiliary Device Controller".
 */
import { u8 } from '../abi/types.ts';
import type { DeviceSpec, StopRequest } from './device.ts';
import { declareDevice } from './record.ts';

const DATA = 0x60;
const COMMAND = 0x64;
const KEYBOARD_IRQ = 1;

const STATUS = {
  OUTPUT_FULL: 0x01,
  SYSTEM: 0x04,
  COMMAND: 0x08,
  UNLOCKED: 0x10,
  AUX_OUTPUT: 0x20,
  TIMEOUT: 0x40,
} as const;
const CONFIG = { KEYBOARD_IRQ: 0x01, SYSTEM: 0x04, KEYBOARD_OFF: 0x10, AUX_OFF: 0x20, TRANSLATE: 0x40 } as const;
const OUTPUT_PORT = { NOT_RESET: 0x01, A20: 0x02 } as const;

/** What a port without a device answers to a byte sent to it: "resend", with the time-out bit in the status. */
const NOBODY_THERE = 0xfe;
const SELF_TEST_PASSED = 0x55;
/** Answer of the port tests: the clock line is stuck. Firmware and kernels then leave the port alone at once. */
const CLOCK_STUCK = 0x01;

const FIELDS = {
  config: u8,
  outputPort: u8,
  /** The byte that waits at port 0x60, and the status bits that go with it. */
  output: u8,
  outputStatus: u8,
  /** The command whose parameter port 0x60 waits for; 0 for none. */
  pending: u8,
  lastWasCommand: u8,
  irqLevel: u8,
};

/** An i8042 that is found, passes its tests and has no keyboard. */
export function i8042(): DeviceSpec {
  return declareDevice('i8042', FIELDS, {
    // As a BIOS leaves it: tests passed, scan codes translated, interrupts off.
    reset: (r) =>
      Object.assign(r, {
        config: CONFIG.SYSTEM | CONFIG.TRANSLATE,
        outputPort: OUTPUT_PORT.NOT_RESET | OUTPUT_PORT.A20,
      }),
    attach(r, host) {
      function update(): void {
        const keyboardByte = (r.outputStatus & (STATUS.OUTPUT_FULL | STATUS.AUX_OUTPUT)) === STATUS.OUTPUT_FULL;
        const level = keyboardByte && r.config & CONFIG.KEYBOARD_IRQ ? 1 : 0;
        if (r.irqLevel === level) return;
        r.irqLevel = level;
        host.setIrq(KEYBOARD_IRQ, level);
      }

      function answer(byte: number, status = 0): void {
        r.output = byte;
        r.outputStatus = STATUS.OUTPUT_FULL | status;
        update();
      }

      function configure(value: number): void {
        r.config = value;
        update();
      }

      /** Commands that act at once. */
      const commands: Record<number, () => void> = {
        32: () => answer(r.config),
        167: () => configure(r.config | CONFIG.AUX_OFF),
        168: () => configure(r.config & ~CONFIG.AUX_OFF),
        169: () => answer(CLOCK_STUCK),
        170: () => answer(SELF_TEST_PASSED),
        171: () => answer(CLOCK_STUCK),
        173: () => configure(r.config | CONFIG.KEYBOARD_OFF),
        174: () => configure(r.config & ~CONFIG.KEYBOARD_OFF),
        192: () => answer(0x80),
        208: () => answer(r.outputPort),
      };

      /** Commands that take the next byte written to the data port. */
      const parametered: Record<number, (value: number) => StopRequest | undefined> = {
        96: (value) => void configure(value),
        209: (value) => {
          r.outputPort = value | OUTPUT_PORT.NOT_RESET;
          return value & OUTPUT_PORT.NOT_RESET ? undefined : { kind: 'reset' };
        },
        210: (value) => void answer(value),
        // The byte comes back, but not marked as the mouse's: there is no mouse port.
        211: (value) => void answer(value),
        212: () => void answer(NOBODY_THERE, STATUS.TIMEOUT | STATUS.AUX_OUTPUT),
      };

      function command(value: number): StopRequest | undefined {
        r.lastWasCommand = 1;
        r.pending = value in parametered ? value : 0;
        // 0xf0-0xff pulse the output port's low lines that are 0 in the command; line 0 is the CPU's reset.
        if ((value & 0xf1) === 0xf0) return { kind: 'reset' };
        commands[value]?.();
        return undefined;
      }

      function data(value: number): StopRequest | undefined {
        const parameter = parametered[r.pending];
        r.lastWasCommand = 0;
        r.pending = 0;
        if (parameter) return parameter(value);
        answer(NOBODY_THERE, STATUS.TIMEOUT);
        return undefined;
      }

      function takeOutput(): number {
        r.outputStatus = 0;
        update();
        return r.output;
      }

      const status = () =>
        r.outputStatus |
        STATUS.UNLOCKED |
        (r.config & CONFIG.SYSTEM ? STATUS.SYSTEM : 0) |
        (r.lastWasCommand ? STATUS.COMMAND : 0);

      return {
        ports: [
          { base: DATA, length: 1 },
          { base: COMMAND, length: 1 },
        ],
        read: (port) => (port === DATA ? takeOutput() : status()),
        write: (port, _width, value) => (port === DATA ? data(value) : command(value)),
        driveIrq: () => host.setIrq(KEYBOARD_IRQ, r.irqLevel === 1 ? 1 : 0),
      };
    },
  });
}
