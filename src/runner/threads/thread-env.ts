/** The environment of a thread, from which Node takes where compiled code is kept: what a program enables holds for its own thread only. */
import module from 'node:module';
import { dirname } from 'node:path';
import type { WorkerOptions } from 'node:worker_threads';

const { getCompileCacheDir } = module as { readonly getCompileCacheDir?: () => string | undefined }; // Node 22.1 and later

/** The option `env` of a thread that keeps compiled code where this one does; none where that is so anyway. */
export function threadEnv(): Pick<WorkerOptions, 'env'> {
  const own = getCompileCacheDir?.(); // with a folder at its end that Node appends
  return own === undefined || process.env.NODE_COMPILE_CACHE
    ? {}
    : { env: { ...process.env, NODE_COMPILE_CACHE: dirname(own) } };
}
