/** From scan codes of set 1 to the words that INT 16h gives: the scan code, and below it the character (US keyboard). */

/** What a key gives alone, with Shift, with Ctrl and with Alt; undefined: nothing. Characters are codes; 0 is none. */
interface Key {
  readonly plain: number;
  readonly shift: number;
  readonly ctrl: number | undefined;
  readonly alt: number | undefined;
  /** Caps Lock acts as Shift. */
  readonly isLetter: boolean;
}

const word = (scan: number, character: number) => (scan << 8) | character;

/** Keys with characters, row by row: the first scan code, and the characters without and with Shift. */
const ROWS: readonly (readonly [first: number, plain: string, shift: string])[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
];

/** What Ctrl makes of other characters than letters. */
const CTRL: Readonly<Record<string, number>> = { 2: 0x00, 6: 0x1e, '-': 0x1f, '[': 0x1b, ']': 0x1d, '\\': 0x1c };
/** With Alt, the digits and what follows them have scan codes of their own. */
const ALT_DIGITS = 0x76;

function characterKey(scan: number, plain: string, shift: string): Key {
  const isLetter = plain >= 'a' && plain <= 'z';
  const ctrl = isLetter ? plain.charCodeAt(0) & 0x1f : CTRL[plain];
  return {
    plain: word(scan, plain.charCodeAt(0)),
    shift: word(scan, shift.charCodeAt(0)),
    ctrl: ctrl === undefined ? undefined : word(scan, ctrl),
    alt: word(scan < 0x0e ? scan + ALT_DIGITS : scan, 0),
    isLetter,
  };
}

/** Keys whose words follow no rule: alone, with Shift, with Ctrl, with Alt. */
const SPECIAL: readonly (readonly [scan: number, plain: number, shift: number, ctrl?: number, alt?: number])[] = [
  [0x01, 0x011b, 0x011b, 0x011b, 0x0100],
  [0x0e, 0x0e08, 0x0e08, 0x0e7f, 0x0e00],
  [0x0f, 0x0f09, 0x0f00, 0x9400, 0xa500],
  [0x1c, 0x1c0d, 0x1c0d, 0x1c0a, 0x1c00],
  [0x39, 0x3920, 0x3920, 0x3920, 0x3920],
  [0x37, 0x372a, 0x372a, 0x9600, 0x3700],
  [0x57, 0x8500, 0x8700, 0x8900, 0x8b00],
  [0x58, 0x8600, 0x8800, 0x8a00, 0x8c00],
];

const FIRST_F = 0x3b;
/** F1 to F10: each kind of shift moves their scan codes. */
const fKey = (n: number): Key => {
  const at = (first: number) => word(first + n, 0);
  return { plain: at(FIRST_F), shift: at(0x54), ctrl: at(0x5e), alt: at(0x68), isLetter: false };
};

/** The keypad from 7 to the point: its characters with Num Lock or Shift, and its scan codes with Ctrl. */
const KEYPAD = '789-456+1230.';
const FIRST_KEYPAD = 0x47;
const KEYPAD_CTRL = [0x77, 0x8d, 0x84, 0x8e, 0x73, 0x8f, 0x74, 0x90, 0x75, 0x91, 0x76, 0x92, 0x93];

function keypadKey(n: number): Key {
  const scan = FIRST_KEYPAD + n;
  const digit = word(scan, KEYPAD.charCodeAt(n));
  const isSign = '-+'.includes(KEYPAD[n]!);
  const plain = isSign ? digit : word(scan, 0);
  return { plain, shift: digit, ctrl: word(KEYPAD_CTRL[n]!, 0), alt: undefined, isLetter: false };
}

const KEYS: ReadonlyMap<number, Key> = new Map([
  ...ROWS.flatMap(([first, plain, shift]) =>
    [...plain].map((character, i) => [first + i, characterKey(first + i, character, shift[i]!)] as const),
  ),
  ...SPECIAL.map(([scan, plain, shift, ctrl, alt]) => [scan, { plain, shift, ctrl, alt, isLetter: false }] as const),
  ...Array.from({ length: 10 }, (_, n) => [FIRST_F + n, fKey(n)] as const),
  ...Array.from(KEYPAD, (_, n) => [FIRST_KEYPAD + n, keypadKey(n)] as const),
]);

/** Keys held down, and locks that are on. */
export interface Shifts {
  readonly shift: boolean;
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly caps: boolean;
  readonly num: boolean;
  /** The scan code came after E0: the grey keys. */
  readonly extended: boolean;
}

const isKeypad = (scan: number) => scan >= FIRST_KEYPAD && scan < FIRST_KEYPAD + KEYPAD.length;
/** In the low byte, this marks a grey key. */
const GREY = 0xe0;
const GREY_ENTER = 0x1c;
const GREY_SLASH = 0x35;

/** The word of a key that was pressed; undefined if it gives none. */
export function wordOf(scan: number, shifts: Shifts): number | undefined {
  const key = KEYS.get(scan);
  if (!key) return undefined;
  if (shifts.extended) return greyWord(scan, key, shifts);
  if (shifts.alt) return key.alt;
  if (shifts.ctrl) return key.ctrl;
  const lock = isKeypad(scan) ? shifts.num : key.isLetter && shifts.caps;
  return shifts.shift !== lock ? key.shift : key.plain;
}

/** Enter and / of the keypad come as their characters; arrows and the like with E0 in place of one. */
function greyWord(scan: number, key: Key, { ctrl }: Shifts): number | undefined {
  if (scan === GREY_ENTER) return word(GREY, ctrl ? 0x0a : 0x0d);
  if (scan === GREY_SLASH) return word(GREY, 0x2f);
  if (!isKeypad(scan)) return undefined;
  return ((ctrl ? (key.ctrl ?? 0) : key.plain) & 0xff00) | GREY;
}
