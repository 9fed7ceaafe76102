/** Writing to stdout and stderr: in order, with back-pressure, and without a stack trace when the reader has gone. */
import { EXIT } from './exit-status.ts';
import { inLocale } from './terminal-text.ts';

const PATIENCE_MS = 500;

let hurried = false;
const waiting = new Set<() => void>();

/** Writes bytes; resolves when the stream can take more. */
export function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array | string): Promise<void> | undefined {
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

/** A line for people, on stderr. */
export function tell(line: string): void {
  process.stderr.write(`${inLocale(line)}\n`);
}

/** A closed pipe ends the program quietly, as other filters do; a full disk ends it with a message. */
export function installPipeHandlers(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.OK);
    tell(`vmlapse: stdout cannot be written: ${error.message}`);
    process.exit(EXIT.FAILURE);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.OK : EXIT.FAILURE);
  });
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
