/** Numbers and registers of the BIOS in words. */
import type { BiosCall } from './call.ts';

/** Two hexadecimal digits, as the names of interrupts have them. */
export const hex2 = (value: number): string => value.toString(16).padStart(2, '0').toUpperCase();

/** Four hexadecimal digits. */
export const hex4 = (value: number): string => value.toString(16).padStart(4, '0');

/** The registers by which services and their callers speak. */
export function registersText({ a, b, c, d, si, di, bp, sregs, carry }: BiosCall): string {
  const registers = [
    ['AX', a.x],
    ['BX', b.x],
    ['CX', c.x],
    ['DX', d.x],
    ['SI', si.x],
    ['DI', di.x],
    ['BP', bp.x],
    ['DS', sregs.ds.selector],
    ['ES', sregs.es.selector],
  ] as const;
  return `${registers.map(([name, value]) => `${name}=${hex4(value)}`).join(' ')} CF=${carry ? 1 : 0}`;
}
