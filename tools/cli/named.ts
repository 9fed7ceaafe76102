import { LoadError } from '../../src/errors.ts';

/** Runs `loading`, and adds the file's name to a LoadError. */
export function named<T>(file: string, loading: () => T): T {
  try {
    return loading();
  } catch (error) {
    if (error instanceof LoadError) throw new LoadError(error.code, `${file}: ${error.message}`, error.details, error);
    throw error;
  }
}
