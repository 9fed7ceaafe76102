/** The lines of a trace's file, and where they end: hostile and cut files give the lines up to there, and the reason. */
import { FRAME_BYTES, HEAD_BYTES, LINE_BYTES, readFrame, readHead } from './format.ts';
import type { Input } from './input.ts';

/** Why there are no more lines. Absent `why`: the file ends where a line ends. */
export interface LinesEnd {
  readonly kind: 'end' | 'cut' | 'damaged';
  readonly why?: string;
}

const NEWLINE = 0x0a;
/** Of JSON, as `zstd -dc` prints it; and of what zstd itself compressed. */
const TEXT = 0x7b;
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/** What a file is by its first bytes; undefined: nothing that can be read here. */
export async function kindOf(input: Input): Promise<'frames' | 'text' | 'zstd' | undefined> {
  const first = await input.peek(HEAD_BYTES);
  if (first[0] === TEXT) return 'text';
  if (first.length === HEAD_BYTES && readHead(first)) return 'frames';
  return ZSTD.every((byte, i) => first[i] === byte) ? 'zstd' : undefined;
}

/** Yields lines, some at a time. */
export async function* linesOf(input: Input, kind: 'frames' | 'text'): AsyncGenerator<string[], LinesEnd> {
  let rest: Uint8Array = new Uint8Array(0);
  for (;;) {
    const piece = kind === 'text' ? await input.takeSome() : await nextFrame(input);
    if ('kind' in piece) return piece;
    if (piece.length === 0) return rest.length > 0 ? { kind: 'cut', why: 'in the middle of a line' } : { kind: 'end' };
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    rest = bytes.slice(end);
    if (end > 0)
      yield Buffer.from(bytes.buffer, bytes.byteOffset, end - 1)
        .toString()
        .split('\n');
    if (rest.length > LINE_BYTES) return { kind: 'damaged', why: `a line is longer than ${LINE_BYTES} bytes` };
  }
}

/** The content of the next frame; no bytes at the end of the file. */
async function nextFrame(input: Input): Promise<Uint8Array | LinesEnd> {
  const head = await input.take(HEAD_BYTES);
  if (head.length === 0) return head;
  if (head.length < HEAD_BYTES) return { kind: 'cut', why: 'in the middle of a frame' };
  const sizes = readHead(head);
  if (!sizes)
    return { kind: 'damaged', why: `there is no frame of at most ${FRAME_BYTES} bytes where one should begin` };
  const frame = await input.take(sizes.compressed);
  if (frame.length < sizes.compressed) return { kind: 'cut', why: 'in the middle of a frame' };
  return readFrame(sizes, frame) ?? { kind: 'damaged', why: 'a frame is not what it was when it was written' };
}
