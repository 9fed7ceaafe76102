/**
 * The keyboard controller at 0x60 and 0x64, with a keyboard and no mouse: it passes on what the keyboard sends, in scan code
 * set 1 while it translates; answers its own commands; and resets the machine. Commands as in the IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
 */
import type { Live } from '../abi/struct.ts';
import { u8 } from '../abi/types.ts';
import type { Device, DeviceHost, DeviceSpec, StopRequest } from './device.ts';
import { keyboardType, Ps2Keyboard, resetKeyboard } from './ps2-keyboard.ts';
import { declareDevice, type Placed } from './record.ts';
import { RELEASE, RELEASED, toSet1 } from './scan-codes.ts';

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
const PORT_WORKS = 0x00;
/** Answer of the mouse port's test: the clock line is stuck. Firmware and kernels then leave the port alone at once. */
const CLOCK_STUCK = 0x01;

/** The first seven bytes are the record of version 0.1, which had no keyboard. */
const BYTES_OF_0_1 = 7;

const FIELDS = {
  config: u8,
  outputPort: u8,
  /** The controller's answer that waits at port 0x60, or the byte read there last, and the status bits that go with it. */
  output: u8,
  outputStatus: u8,
  /** The command whose parameter port 0x60 waits for; 0 for none. */
  pending: u8,
  lastWasCommand: u8,
  irqLevel: u8,
  /** The keyboard's byte that waits behind the answer. */
  scanCode: u8,
  scanCodeWaits: u8,
  /** While translating: the keyboard has sent RELEASE, and the next code is of a release. */
  releasing: u8,
  keyboard: keyboardType,
};

/** The controller with the keyboard's other end: the host's fingers. */
export interface I8042 extends Device {
  /** Queues keys, as codes of set 1 with prefixes and releases; returns how many bytes fitted. */
  press(codes: Uint8Array): number;
  /** Bytes that {@link press} would take now. */
  room(): number;
}

/** What the spec of the controller attaches. */
export interface I8042Spec extends DeviceSpec {
  attach(state: Uint8Array, host: DeviceHost): I8042;
}

/** An i8042 with a keyboard. */
export const i8042 = (): I8042Spec =>
  declareDevice('i8042', FIELDS, {
    earlier: { name: 'i8042', bytes: BYTES_OF_0_1 },
    // As a BIOS leaves it: tests passed, scan codes translated, each key an interrupt.
    reset(r) {
      Object.assign(r, {
        config: CONFIG.SYSTEM | CONFIG.TRANSLATE | CONFIG.KEYBOARD_IRQ,
        outputPort: OUTPUT_PORT.NOT_RESET | OUTPUT_PORT.A20,
      });
      resetKeyboard(r.keyboard);
    },
    attach: attachI8042,
  });

function attachI8042(r: Live<Placed<typeof FIELDS>>, host: DeviceHost): Omit<I8042, 'name'> {
  const keyboard = new Ps2Keyboard(r.keyboard);

  const setLine = (level: 0 | 1) => {
    if (r.irqLevel === level) return;
    r.irqLevel = level;
    host.setIrq(KEYBOARD_IRQ, level);
  };

  function update(): void {
    const answer = (r.outputStatus & (STATUS.OUTPUT_FULL | STATUS.AUX_OUTPUT)) === STATUS.OUTPUT_FULL;
    setLine((answer || r.scanCodeWaits) && r.config & CONFIG.KEYBOARD_IRQ ? 1 : 0);
  }

  /** Takes the keyboard's next byte, unless one waits or the keyboard's clock is held. */
  function arrive(): void {
    while (r.scanCodeWaits === 0 && (r.config & CONFIG.KEYBOARD_OFF) === 0) {
      const byte = keyboard.next();
      if (byte === undefined) break;
      const translates = (r.config & CONFIG.TRANSLATE) !== 0;
      if (translates && byte === RELEASE) {
        r.releasing = 1;
        continue;
      }
      r.scanCode = translates ? toSet1(byte) | (r.releasing ? RELEASED : 0) : byte;
      r.releasing = 0;
      r.scanCodeWaits = 1;
    }
    update();
  }

  function answer(byte: number, status = 0): void {
    r.output = byte;
    r.outputStatus = STATUS.OUTPUT_FULL | status;
    update();
  }

  function configure(value: number): void {
    r.config = value;
    arrive();
  }

  /** Commands that act at once. */
  const commands: Record<number, () => void> = {
    32: () => answer(r.config),
    167: () => configure(r.config | CONFIG.AUX_OFF),
    168: () => configure(r.config & ~CONFIG.AUX_OFF),
    169: () => answer(CLOCK_STUCK),
    170: () => answer(SELF_TEST_PASSED),
    171: () => answer(PORT_WORKS),
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
    keyboard.receive(value);
    configure(r.config & ~CONFIG.KEYBOARD_OFF); // the controller lets the clock go to send
    return undefined;
  }

  /** The interrupt is an edge: the line drops, and rises again if another byte has come. */
  function takeOutput(): number {
    setLine(0);
    if (r.outputStatus & STATUS.OUTPUT_FULL) r.outputStatus = 0;
    else if (r.scanCodeWaits) {
      r.output = r.scanCode;
      r.scanCodeWaits = 0;
    }
    const byte = r.output;
    arrive();
    return byte;
  }

  const status = () =>
    r.outputStatus |
    (r.scanCodeWaits ? STATUS.OUTPUT_FULL : 0) |
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
    // A key that waits since before the guest set up its interrupt controller gets no interrupt. The next key gives it one.
    press(codes) {
      const taken = keyboard.press(codes);
      if (r.scanCodeWaits) setLine(0);
      arrive();
      return taken;
    },
    room: () => keyboard.room,
  };
}
