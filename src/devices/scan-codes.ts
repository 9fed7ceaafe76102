/**
 * Scan codes: set 1, which the first PC's keyboard sent and programs still expect; set 2, which keyboards send; and the
 * keyboard controller's table between them. In set 1 the key's release is its code with bit 7; in set 2, 0xf0 before the
 * code. (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller", scan code tables.)
 */

/** Set 2: the next code is of a key's release. */
export const RELEASE = 0xf0;
/** Set 1: the bit of a key's release. */
export const RELEASED = 0x80;
/** Before the codes of keys that the first keyboard had not: the same in both sets. */
export const isPrefix = (code: number): boolean => code === 0xe0 || code === 0xe1;

const TABLE = [
  'ff43413f3d3b3c58 644442403e0f2959 65382a701d10025a 66712c1f1e11035b',
  '672e2d201205045c 68392f211413065d 693130232215075e 6a7232241608095f',
  '6b332517180b0a60 6c34352627190c61 6d7328741a0d626e 3a361c1b752b6376',
  '55567778797a0e7b 7c4f7d4b477e7f6f 5253504c4d480145 574e514a37494654',
].join('');

const TO_SET_1 = Uint8Array.from({ length: 256 }, (_, code) => code);
TO_SET_1.set(Buffer.from(TABLE.replaceAll(' ', ''), 'hex'));
TO_SET_1.set([0x80, 0x81, 0x82, 0x41, 0x54], 0x80);

/** What the controller makes of a byte from the keyboard while it translates; answers of the keyboard stay as they are. */
export const toSet1 = (code: number): number => TO_SET_1[code]!;

const TO_SET_2 = new Uint8Array(128);
for (let code = 1; code <= 0x84; code++) if (TO_SET_1[code]! < RELEASED) TO_SET_2[TO_SET_1[code]!] = code;

/** The code of set 2 for a key's code in set 1, without the bit of its release; 0: there is no such key. */
export const toSet2 = (code: number): number => TO_SET_2[code & ~RELEASED]!;
