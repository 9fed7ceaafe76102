/** IRQ 1 and INT 16h: from scan codes to words in the keyboard buffer, and from there to the program. */
import type { BiosCall } from '../call.ts';
import { BDA } from '../layout.ts';
import { byFunction, type Interrupt, type Outcome } from '../service.ts';
import { wordOf } from './keyboard-map.ts';

/** Shift flags, AH=02h. */
const FLAG = {
  RIGHT_SHIFT: 0x01,
  LEFT_SHIFT: 0x02,
  CTRL: 0x04,
  ALT: 0x08,
  SCROLL: 0x10,
  NUM: 0x20,
  CAPS: 0x40,
} as const;
/** Keys that are held, and those that switch with each press, by scan code. */
const HELD: Readonly<Record<number, number>> = {
  42: FLAG.LEFT_SHIFT,
  54: FLAG.RIGHT_SHIFT,
  29: FLAG.CTRL,
  56: FLAG.ALT,
};
const SWITCHED: Readonly<Record<number, number>> = { 58: FLAG.CAPS, 69: FLAG.NUM, 70: FLAG.SCROLL };

const GREY_PREFIX = 0xe0;
const WAS_GREY = 0x02;
const RELEASED = 0x80;
const DELETE = 0x53;
const WARM_RESET = 0x1234;
/** The low byte of a grey key's word. */
const GREY = 0xe0;

/** The next place in the buffer, which is a ring; the places are offsets from 0x400. */
function after(call: BiosCall, place: number): number {
  return place + 2 >= call.word(BDA.KEY_BUFFER_END) ? call.word(BDA.KEY_BUFFER_START) : place + 2;
}

/** The keyboard controller's command port, and its commands that hold the keyboard's clock and let it go. */
const CONTROLLER = { PORT: 0x64, HOLD: 0xad, LET_GO: 0xae } as const;

const isFull = (call: BiosCall) => after(call, call.word(BDA.KEY_TAIL)) === call.word(BDA.KEY_HEAD);

/** Puts a word into the buffer. False: it is full. */
function store(call: BiosCall, word: number): boolean {
  const tail = call.word(BDA.KEY_TAIL);
  const next = after(call, tail);
  if (next === call.word(BDA.KEY_HEAD)) return false;
  call.setWord(BDA.BASE + tail, word);
  call.setWord(BDA.KEY_TAIL, next);
  return true;
}

/** Scan code in AL, as IRQ 1's routine in ROM has read it. */
function takeScanCode(call: BiosCall): Outcome {
  const code = call.a.l;
  const status = call.byte(BDA.KEYBOARD_STATUS);
  const extended = (status & WAS_GREY) !== 0;
  call.setByte(BDA.KEYBOARD_STATUS, code === GREY_PREFIX ? status | WAS_GREY : status & ~WAS_GREY);
  if (code >= GREY_PREFIX) return undefined;
  const scan = code & ~RELEASED;
  const flags = call.byte(BDA.SHIFT_FLAGS);
  const held = HELD[scan];
  if (held !== undefined) {
    const isFakeShift = extended && (scan === 0x2a || scan === 0x36);
    if (!isFakeShift) call.setByte(BDA.SHIFT_FLAGS, code & RELEASED ? flags & ~held : flags | held);
    return undefined;
  }
  if (code & RELEASED) return undefined;
  if (scan === DELETE && (flags & FLAG.CTRL) !== 0 && (flags & FLAG.ALT) !== 0) {
    call.setWord(BDA.RESET_FLAG, WARM_RESET);
    return 'reset';
  }
  const switched = SWITCHED[scan];
  if (switched !== undefined && !extended) {
    call.setByte(BDA.SHIFT_FLAGS, flags ^ switched);
    return undefined;
  }
  const word = wordOf(scan, {
    shift: (flags & (FLAG.LEFT_SHIFT | FLAG.RIGHT_SHIFT)) !== 0,
    ctrl: (flags & FLAG.CTRL) !== 0,
    alt: (flags & FLAG.ALT) !== 0,
    caps: (flags & FLAG.CAPS) !== 0,
    num: (flags & FLAG.NUM) !== 0,
    extended,
  });
  if (word !== undefined) store(call, word);
  if (isFull(call)) call.host.portOut(CONTROLLER.PORT, 1, CONTROLLER.HOLD); // the keyboard keeps what comes now
  return undefined;
}

/** Words as the first keyboards had them: grey keys as those of the keypad. */
function asOld(word: number): number {
  if (word >> 8 === GREY_PREFIX) return (word & 0xff) === 0x2f ? 0x352f : 0x1c00 | (word & 0xff);
  return (word & 0xff) === GREY ? word & 0xff00 : word;
}

const same = (word: number) => word;

/** Without a key the call waits; the program's other interrupts go on. */
function read(shape: (word: number) => number): (call: BiosCall) => Outcome {
  return (call) => {
    const head = call.word(BDA.KEY_HEAD);
    if (head === call.word(BDA.KEY_TAIL)) return 'wait';
    if (isFull(call)) call.host.portOut(CONTROLLER.PORT, 1, CONTROLLER.LET_GO);
    call.a.x = shape(call.word(BDA.BASE + head));
    call.setWord(BDA.KEY_HEAD, after(call, head));
    return undefined;
  };
}

/** Zero: no key waits. */
function look(shape: (word: number) => number): (call: BiosCall) => void {
  return (call) => {
    const head = call.word(BDA.KEY_HEAD);
    const isEmpty = head === call.word(BDA.KEY_TAIL);
    call.zero = isEmpty;
    if (!isEmpty) call.a.x = shape(call.word(BDA.BASE + head));
  };
}

function shiftFlags(call: BiosCall): void {
  call.a.l = call.byte(BDA.SHIFT_FLAGS);
}

function moreShiftFlags(call: BiosCall): void {
  call.a.l = call.byte(BDA.SHIFT_FLAGS);
  call.a.h = call.byte(BDA.SHIFT_FLAGS_2);
}

function typeWord(call: BiosCall): void {
  call.a.l = store(call, call.c.x) ? 0 : 1;
}

/** INT 09h, called with a scan code. */
export const KEY: Interrupt = { services: { name: 'take scan code', run: takeScanCode } };

/** INT 16h. */
export const KEYBOARD: Interrupt = {
  services: byFunction([
    [0x00, 'read key', read(asOld)],
    [0x01, 'look for key', look(asOld)],
    [0x02, 'shift flags', shiftFlags],
    [0x03, 'typing rate', () => {}],
    [0x05, 'put key', typeWord],
    [0x10, 'read key', read(same)],
    [0x11, 'look for key', look(same)],
    [0x12, 'shift flags', moreShiftFlags],
  ]),
  // Callers of INT 16h look at no carry.
  unserved: () => {},
};
