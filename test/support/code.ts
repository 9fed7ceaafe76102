/** Machine code written out by hand: hex bytes, with what they mean after a semicolon on each line. */
export function code(text: string): Uint8Array {
  const hex = text.replaceAll(/;.*$/gm, '').replaceAll(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hex bytes: ${hex}`);
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
