/** Bytes as people read them. */

const PER_LINE = 16;

const hexByte = (byte: number) => byte.toString(16).padStart(2, '0');
const printable = (byte: number) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

/** Lines of up to 16 bytes: address, hex, ASCII. A line with a byte that `marked` names begins with ">". */
export function hexdump(bytes: Uint8Array, address: number, marked: (index: number) => boolean = () => false): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += PER_LINE) {
    const part = bytes.subarray(at, at + PER_LINE);
    const isMarked = Array.from(part.keys()).some((i) => marked(at + i));
    const hex = Array.from(part, hexByte)
      .join(' ')
      .padEnd(PER_LINE * 3 - 1);
    const text = Array.from(part, printable).join('');
    lines.push(`${isMarked ? '>' : ' '} 0x${(address + at).toString(16).padStart(8, '0')}  ${hex}  ${text}`);
  }
  return lines.join('\n');
}
