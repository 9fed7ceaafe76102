/** Tells what a format has no use for. */
import type { LoadOptions } from './image.ts';

/** A note when the caller gave a command line or modules to a format that cannot pass them. `what`: "a ROM". */
export function ignoredNotes(options: LoadOptions, what: string): string[] {
  return options.cmdline || options.modules?.length
    ? [`command line and modules ignored: ${what} has no way to take them`]
    : [];
}
