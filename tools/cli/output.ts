/** Writing to stdout and stderr: in order, with back-pressure, and without a stack trace when the reader has gone. */
import { jsonValue } from '../control/rpc.ts';
import { EXIT } from './run-end.ts';
import { forStdout, inLocale, widthOf } from './terminal-text.ts';

const PATIENCE_MS = 500;
const NEWLINE = 0x0a;

let slowDropped = false;
const waiting = new Set<() => void>();
const closed = new Set<NodeJS.WriteStream>();

/** Writes bytes; resolves when the stream can take more. */
export function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array | string): Promise<void> | undefined {
  if (closed.has(stream)) return undefined;
  if (stream === process.stdout && bytes.length > 0) midLine = !endsLine(bytes);
  if (stream.write(bytes) || slowDropped) return undefined;
  return new Promise((resolve) => {
    const go = () => {
      waiting.delete(go);
      resolve();
    };
    waiting.add(go);
    stream.once('drain', go);
  });
}

/** Stops waiting for slow readers of the output, now and later: the program must end. */
export function dropSlowReaders(): void {
  slowDropped = true;
  for (const go of waiting) go();
}

/** Whether the last output on stdout did not end its line. */
let midLine = false;
const endsLine = (bytes: Uint8Array | string) =>
  typeof bytes === 'string' ? bytes.endsWith('\n') : bytes[bytes.length - 1] === NEWLINE;

let diverted: ((line: string) => void) | undefined;

/** Hands what {@link printLine} gets to `to` instead, until the result is called. */
export function divertLines(to: (line: string) => void): () => void {
  diverted = to;
  return () => {
    diverted = undefined;
  };
}

/** Prints a line on stderr. On a terminal, first ends a line that the guest has begun. */
export function printLine(line: string): void {
  if (diverted) {
    diverted(line);
    return;
  }
  if (closed.has(process.stderr)) return;
  const fresh = midLine && process.stdout.isTTY && process.stderr.isTTY ? '\n' : '';
  midLine = false;
  process.stderr.write(`${fresh}${inLocale(line)}\n`);
}

/**
 * Ends the program without a message when a pipe is closed, and with one when the disk is full. With `attends`, a guest
 * runs whose exit status matters: then output to a closed pipe is dropped.
 */
export function installPipeHandlers(attends: boolean): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isClosed(error)) return attends ? close(process.stdout) : process.exit(EXIT.OK);
    printLine(`vmlapse: stdout cannot be written: ${error.message}`);
    process.exit(attends ? EXIT.OURS : EXIT.FAILURE);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (attends && isClosed(error)) return close(process.stderr);
    process.exit(isClosed(error) ? EXIT.OK : attends ? EXIT.OURS : EXIT.FAILURE);
  });
}

const isClosed = ({ code }: NodeJS.ErrnoException) => code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';

/** Drops output to this stream from now on, and ends the waits for it. */
function close(stream: NodeJS.WriteStream): void {
  if (closed.has(stream)) return;
  closed.add(stream);
  for (const go of waiting) go();
}

/** Resolves when all output has left the process; after {@link dropSlowReaders}, within 500 ms. */
export async function flushOutput(): Promise<void> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((done) => stream.write('', () => done())),
  );
  const impatience = new Promise<void>((done) => {
    if (slowDropped) setTimeout(done, PATIENCE_MS);
  });
  await Promise.race([Promise.all(flushed), impatience]);
}

/** JSON as the commands print it; see {@link jsonValue}. `indent`: 0 for one line. */
export const toJson = (value: unknown, indent = 2): string => JSON.stringify(value, jsonValue, indent);

/** Prints a result: data with --json, text without. */
export function print(options: { readonly json?: boolean }, data: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${toJson(data)}\n` : forStdout(text()));
}

/** Rows as lines: each column as wide as its widest cell, two spaces between. Colours do not count. */
export function columnLines(rows: readonly (readonly string[])[], indent = ''): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  // The last cell of a row takes what it needs.
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(0, ...rows.filter((row) => i < row.length - 1).map((row) => widthOf(row[i]!))),
  );
  const padded = (cell: string, i: number) => cell + ' '.repeat(Math.max(0, widths[i]! - widthOf(cell)));
  return rows.map((row) => indent + [...row.slice(0, -1).map(padded), row.at(-1) ?? ''].join('  '));
}

/** {@link columnLines} as one text, without spaces at line ends. */
export const columns = (rows: readonly (readonly string[])[]): string =>
  columnLines(rows)
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
