/** Commands that go on until a machine ends: they end when nobody reads them any more, even while there is nothing to print. */
import { readerIsGone } from '../../src/ffi/hang-up.ts';
import { EXIT } from './run-end.ts';

const LOOK_MS = 500;

/** From now on, ends the process as a write to a closed pipe does: at once, with status 0. A terminal sends a signal instead. */
export function endWithReader(stdout: NodeJS.WriteStream & { readonly fd: number } = process.stdout): void {
  if (stdout.isTTY) return;
  setInterval(() => {
    if (readerIsGone(stdout.fd)) process.exit(EXIT.OK);
  }, LOOK_MS).unref();
}
