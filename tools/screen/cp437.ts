/** Code page 437, the characters of a PC's display, as Unicode. Codes below 0x20 are the pictures that it shows for them. */
const CP437 = [
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼',
  ' !"#$%&\'()*+,-./0123456789:;<=>?',
  '@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_',
  '`abcdefghijklmnopqrstuvwxyz{|}~⌂',
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ',
  'áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐',
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀',
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ',
].join('');

/** What stands for a character where only ASCII can be shown: first match. The rest becomes "?". */
const IN_ASCII: readonly (readonly [characters: string, ascii: string])[] = [
  ['│║', '|'],
  ['─═', '-'],
  ['░▒▓█▄▌▐▀■▬', '#'],
  ['┤╡╢╖╕╣╗╝╜╛┐└┴┬├┼╞╟╚╔╩╦╠╬╧╨╤╥╙╘╒╓╫╪┘┌', '+'],
  ['•∙·', '.'],
  ['►→»', '>'],
  ['◄←«', '<'],
  ['▲↑', '^'],
  ['▼↓', 'v'],
];

/** The character of a code, from 0 to 255. */
export const characterOf = (code: number): string => CP437[code]!;

/** The character of a code, from 0 to 255, in ASCII: without its accent, frames and blocks by signs that look alike. */
export function asciiOf(code: number): string {
  const character = CP437[code]!;
  const plain = character.normalize('NFD')[0]!;
  if (plain <= '~') return plain;
  return IN_ASCII.find(([characters]) => characters.includes(character))?.[1] ?? '?';
}
