/**
 * Keys of a US keyboard: from text, from names such as "ctrl-c", and from what a terminal sends, to the codes of scan code
 * set 1 that the keyboard gets.
 */
import { UsageError } from '../../src/errors.ts';

const RELEASED = 0x80;
const EXTENDED = 0xe0;

/** Codes of keys that give characters: the first without shift, the second with it. */
const ROWS: readonly (readonly [first: number, plain: string, shifted: string])[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [0x39, ' ', ' '],
];

/** Keys by name. Two bytes: a key that the first keyboards had not. */
const NAMED: Readonly<Record<string, readonly number[]>> = {
  ...{ esc: [0x01], backspace: [0x0e], tab: [0x0f], enter: [0x1c], space: [0x39], capslock: [0x3a] },
  ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`f${i + 1}`, [0x3b + i]])),
  ...{ f11: [0x57], f12: [0x58], numlock: [0x45], scrolllock: [0x46] },
  ...{ home: [EXTENDED, 0x47], up: [EXTENDED, 0x48], pageup: [EXTENDED, 0x49] },
  ...{ left: [EXTENDED, 0x4b], right: [EXTENDED, 0x4d] },
  ...{ end: [EXTENDED, 0x4f], down: [EXTENDED, 0x50], pagedown: [EXTENDED, 0x51] },
  ...{ insert: [EXTENDED, 0x52], delete: [EXTENDED, 0x53] },
};

const MODIFIERS = { shift: 0x2a, ctrl: 0x1d, alt: 0x38 } as const;
type Modifier = keyof typeof MODIFIERS;

interface Key {
  readonly codes: readonly number[];
  readonly modifiers: readonly Modifier[];
}

/** Characters that a key gives alone, or with shift. */
const BY_CHARACTER: ReadonlyMap<string, Key> = new Map(
  ROWS.flatMap(([first, plain, shifted]) =>
    [...plain].flatMap((character, i): [string, Key][] => [
      [character, { codes: [first + i], modifiers: [] }],
      ...(shifted[i] === character
        ? []
        : ([[shifted[i]!, { codes: [first + i], modifiers: ['shift'] }]] as [string, Key][])),
    ]),
  ),
);

const CONTROL: Readonly<Record<string, string>> = {
  '\b': 'backspace',
  '\x7f': 'backspace',
  '\t': 'tab',
  '\n': 'enter',
  '\r': 'enter',
  '\x1b': 'esc',
};

const keyNamed = (name: string, modifiers: readonly Modifier[] = []): Key => ({ codes: NAMED[name]!, modifiers });

/** The key of a character; undefined if no key of a US keyboard gives it. Ctrl with a letter gives 1 to 26. */
function keyOf(character: string): Key | undefined {
  const name = CONTROL[character];
  if (name !== undefined) return keyNamed(name);
  const code = character.charCodeAt(0);
  if (code >= 1 && code <= 26) return { ...BY_CHARACTER.get(String.fromCharCode(code + 0x60))!, modifiers: ['ctrl'] };
  return BY_CHARACTER.get(character);
}

/** Presses the modifiers and the key, and releases them in reverse order. */
function codesOf({ codes, modifiers }: Key): number[] {
  const held = modifiers.map((modifier) => MODIFIERS[modifier]);
  const released = codes.map((code) => (code === EXTENDED ? code : code | RELEASED));
  return [...held, ...codes, ...released, ...held.toReversed().map((code) => code | RELEASED)];
}

/** The codes that type a text. Throws UsageError for a character that no key gives. */
export function typeText(text: string): Uint8Array {
  return Uint8Array.from([...text].flatMap((character) => codesOf(keyOf(character) ?? refuse(character))));
}

function refuse(character: string): never {
  throw new UsageError(
    `no key of a US keyboard types ${JSON.stringify(character)}; leave it out, or send it to the serial port with vmlapse console`,
  );
}

/**
 * The codes of a key by name, with modifiers before it: "f2", "ctrl-c", "ctrl-alt-delete". A character alone is that
 * character: "A" has shift. Throws UsageError.
 */
export function pressKey(text: string): Uint8Array {
  const alone = BY_CHARACTER.get(text);
  if (alone) return Uint8Array.from(codesOf(alone));
  const parts = text.toLowerCase().split(/-(?=.)/);
  const name = parts.pop()!;
  const wrong = parts.find((part) => !Object.hasOwn(MODIFIERS, part));
  const key = Object.hasOwn(NAMED, name) ? keyNamed(name) : BY_CHARACTER.get(name);
  if (wrong === undefined && key)
    return Uint8Array.from(codesOf({ ...key, modifiers: [...(parts as Modifier[]), ...key.modifiers] }));
  throw new UsageError(
    `${JSON.stringify(text)} is no key: give a character or one of ${Object.keys(NAMED).join(', ')}, after ${Object.keys(MODIFIERS).join('-, ')}-`,
  );
}

/** What terminals send for keys without a character (ECMA-48 CSI sequences as xterm has them), behind the escape. */
const SEQUENCES: Readonly<Record<string, string>> = {
  ...{ '[A': 'up', '[B': 'down', '[C': 'right', '[D': 'left', '[H': 'home', '[F': 'end' },
  ...{ OA: 'up', OB: 'down', OC: 'right', OD: 'left', OH: 'home', OF: 'end' },
  ...{ '[1~': 'home', '[2~': 'insert', '[3~': 'delete', '[4~': 'end', '[5~': 'pageup', '[6~': 'pagedown' },
  ...{ OP: 'f1', OQ: 'f2', OR: 'f3', OS: 'f4', '[[A': 'f1', '[[B': 'f2', '[[C': 'f3', '[[D': 'f4', '[[E': 'f5' },
  ...{ '[11~': 'f1', '[12~': 'f2', '[13~': 'f3', '[14~': 'f4', '[15~': 'f5', '[17~': 'f6', '[18~': 'f7' },
  ...{ '[19~': 'f8', '[20~': 'f9', '[21~': 'f10', '[23~': 'f11', '[24~': 'f12' },
};

/** A control sequence as a whole, known or not. */
const SEQUENCE = /^(\[\[[A-E]|\[[0-9;]*[A-Za-z~]|O[A-Za-z])/;

/** The beginning of a control sequence, and nothing behind it. */
const BEGUN = /^\x1b(\[(\[|[0-9;]*)|O)?$/;

/** One key from a terminal: its codes, none where there is no such key, and how many bytes it took. */
export interface TerminalKey {
  readonly codes: Uint8Array;
  readonly bytes: number;
  /** The bytes end here, and more of them could make another key of it: an escape may begin an arrow key. */
  readonly mayGoOn: boolean;
}

/** Reads what a terminal sent, key by key. An escape at the end is the key Esc; one before a character is Alt. */
export function* terminalKeys(bytes: Uint8Array): Generator<TerminalKey> {
  const text = Buffer.from(bytes).toString('latin1');
  for (let at = 0; at < text.length; ) {
    const left = text.slice(at);
    const [key, length] = keyAt(left);
    yield { codes: Uint8Array.from(key ? codesOf(key) : []), bytes: length, mayGoOn: BEGUN.test(left) };
    at += length;
  }
}

function keyAt(text: string): readonly [key: Key | undefined, length: number] {
  if (text[0] !== '\x1b' || text.length === 1) return [keyOf(text[0]!), 1];
  const sequence = SEQUENCE.exec(text.slice(1))?.[0];
  if (sequence !== undefined) {
    const name = SEQUENCES[sequence];
    return [name === undefined ? undefined : keyNamed(name), 1 + sequence.length];
  }
  const key = keyOf(text[1]!);
  if (text[1] === '\x1b') return [keyNamed('esc'), 1];
  return [key && { ...key, modifiers: ['alt', ...key.modifiers] }, 2];
}
