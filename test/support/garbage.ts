/** Collecting garbage at will, so that what a test measures is what is held. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Runs a full collection in this thread. */
export const collectGarbage = runInNewContext('gc') as () => void;
