/** Where vmlapse keeps what it can make again: everything there may be removed at any time. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder for one kind of thing, under $XDG_CACHE_HOME or ~/.cache (XDG Base Directory Specification). */
export const cacheFolder = (kind: string): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vmlapse', kind);
