/** Test files that the second host does not run, each with the reason. Paths are under dist/test. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'architecture.test.js': 'reads the sources; the host makes no difference',
  'runner/assist-decode.test.js': 'compares two decoders; the host makes no difference',
};
