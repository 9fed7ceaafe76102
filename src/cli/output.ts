/** Writing to stdout and stderr: in order, with back-pressure, and without a stack trace when the reader has gone. */

/** Writes bytes; resolves when the stream can take more. */
export function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array | string): Promise<void> | undefined {
  if (stream.write(bytes)) return undefined;
  return new Promise((resolve) => stream.once('drain', () => resolve()));
}

/** A line for people, on stderr. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A closed pipe ends the program quietly, as other filters do. */
export function installPipeHandlers(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
}

/** Resolves when everything written so far has left the process. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((done) => stream.write('', () => done()));
}

/** Rows as columns: each as wide as its widest cell, two spaces between. */
export function columns(rows: readonly (readonly string[])[]): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
