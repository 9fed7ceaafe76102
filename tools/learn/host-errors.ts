/** What the system refuses about files of the learner, as an error that names the file. */
import { HostError } from '../../src/errors.ts';

/** Does something with such files. Throws HostError where the system refuses. */
export function withHostErrors<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (code === undefined || path === undefined) throw error;
    throw new HostError(code, `${path} cannot be used: ${message} — exercises need a folder that you may write to`);
  }
}
