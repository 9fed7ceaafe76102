/** Test files that the second host does not run, each with the reason. Paths are under dist/test. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'bench/floors.test.js': 'measures against C programs; times mean nothing on an emulated processor',
  'bench/measure.test.js': 'arithmetic on samples; the host makes no difference',
  'bench/qemu.test.js': 'talks to another QEMU; the host makes no difference',
  'bench/report.test.js': 'formats a table; the host makes no difference',
  'architecture.test.js': 'reads the sources; the host makes no difference',
  'runner/assist-decode.test.js': 'compares two decoders; the host makes no difference',
};
