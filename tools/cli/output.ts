/** Writing to stdout and stderr: in order, with back-pressure, and without a stack trace when the reader has gone. */
import { EXIT } from './exit-status.ts';
import { inLocale } from './terminal-text.ts';

const PATIENCE_MS = 500;
const NEWLINE = 0x0a;

let hurried = false;
const waiting = new Set<() => void>();
const closed = new Set<NodeJS.WriteStream>();

/** Writes bytes; resolves when the stream can take more. */
export function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array | string): Promise<void> | undefined {
  if (closed.has(stream)) return undefined;
  if (stream === process.stdout && bytes.length > 0) midLine = !endsLine(bytes);
  if (stream.write(bytes) || hurried) return undefined;
  return new Promise((resolve) => {
    const go = () => {
      waiting.delete(go);
      resolve();
    };
    waiting.add(go);
    stream.once('drain', go);
  });
}

/** From now on a reader that takes nothing holds nobody up: the program has been told to end. */
export function hurry(): void {
  hurried = true;
  for (const go of waiting) go();
}

/** Whether stdout stands behind something that was no whole line. */
let midLine = false;
const endsLine = (bytes: Uint8Array | string) =>
  typeof bytes === 'string' ? bytes.endsWith('\n') : bytes[bytes.length - 1] === NEWLINE;

/** A line for people, on stderr; on a terminal never behind what the guest has begun to print. */
export function tell(line: string): void {
  if (closed.has(process.stderr)) return;
  const fresh = midLine && process.stdout.isTTY && process.stderr.isTTY ? '\n' : '';
  midLine = false;
  process.stderr.write(`${fresh}${inLocale(line)}\n`);
}

/**
 * A closed pipe ends the program quietly, as other filters do; a full disk ends it with a message. With `attends`, a guest
 * runs whose status is to be passed on: then a closed pipe just takes no more.
 */
export function installPipeHandlers(attends: boolean): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isClosed(error)) return attends ? close(process.stdout) : process.exit(EXIT.OK);
    tell(`vmlapse: stdout cannot be written: ${error.message}`);
    process.exit(attends ? EXIT.OURS : EXIT.FAILURE);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (attends && isClosed(error)) return close(process.stderr);
    process.exit(isClosed(error) ? EXIT.OK : attends ? EXIT.OURS : EXIT.FAILURE);
  });
}

const isClosed = ({ code }: NodeJS.ErrnoException) => code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';

/** Nobody reads this stream any more: who waits for it goes on. */
function close(stream: NodeJS.WriteStream): void {
  if (closed.has(stream)) return;
  closed.add(stream);
  for (const go of waiting) go();
}

/** Resolves when everything written so far has left the process, or after a moment when the program must {@link hurry}. */
export async function flushOutput(): Promise<void> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((done) => stream.write('', () => done())),
  );
  const impatience = new Promise<void>((done) => {
    if (hurried) setTimeout(done, PATIENCE_MS);
  });
  await Promise.race([Promise.all(flushed), impatience]);
}

/** Rows as columns: each as wide as its widest cell, two spaces between. */
export function columns(rows: readonly (readonly string[])[]): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
