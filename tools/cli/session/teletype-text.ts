import { asciiOf, characterOf } from '../../screen/cp437.ts';
import { showsUnicode } from '../terminal-text.ts';

/** Bell, backspace, line feed and carriage return: what the BIOS acts on, a terminal does, too. */
const CONTROLS: ReadonlySet<number> = new Set([7, 8, 10, 13]);

/** What a guest shows by its BIOS, in characters of this terminal. */
export function teletypeText(bytes: Uint8Array, ascii = !showsUnicode()): string {
  const show = ascii ? asciiOf : characterOf;
  return Array.from(bytes, (code) => (CONTROLS.has(code) ? String.fromCharCode(code) : show(code))).join('');
}
