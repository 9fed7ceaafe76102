/** Test files that the second host does not run, each with the reason. Paths are under dist/test. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'bench/floors.test.js': 'measures against C programs; times mean nothing on an emulated processor',
  'bench/measure.test.js': 'arithmetic on samples; the host makes no difference',
  'bench/qemu.test.js': 'talks to another QEMU; the host makes no difference',
  'bench/report.test.js': 'formats a table; the host makes no difference',
  'architecture.test.js': 'reads the sources; the host makes no difference',
  'runner/assist-decode.test.js': 'compares two decoders; the host makes no difference',
};

/** Guests that stand for the others where each one costs seconds. */
const REPRESENTATIVES =
  /'(hello-long|kernel|ring3|smp-2|timer-pit|timer-lapic|echo-polled|checksum-writer-2|fault-sse)'/;

/** Single tests that it does not run, by their full name, each with the reason. */
export const SKIPPED: readonly { readonly test: (name: string) => boolean; readonly reason: string }[] = [
  {
    test: (name) => name.startsWith('guests, each vCPU in its thread') && !REPRESENTATIVES.test(name),
    reason: 'starting a thread takes seconds on an emulated processor; the same guests run without threads',
  },
];
