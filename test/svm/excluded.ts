/** Test files that the second host does not run, by path under dist/test (a folder ends in '/'), each with the reason. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'abi/': 'compares tables with the headers of Linux, and decodes made-up bytes',
  'architecture.test.js': 'reads the sources',
  'bench/': 'measures and formats; times mean nothing on an emulated processor',
  'campaigns/': 'reads command lines; a campaign runs points of its own on this host',
  'tools/cli/':
    'starts a process for each test, which takes seconds on an emulated processor; what the commands do is tested below them',
  'tools/cli-store/':
    'starts a process or a browser for each test; what the commands print does not depend on the KVM underneath',
  'tools/control/': 'sockets and messages',
  'docs/': 'starts a process for each lesson',
  'errors.test.js': 'values without KVM',
  'guests/': 'builds and reads files',
  'kvm/docstrings.test.js': 'reads the sources',
  'loaders/': 'pure functions on bytes; the guests that are booted show the loaders at work',
  'package/': 'reads what would be published',
  'runner/assist-decode.test.js': 'compares two decoders',
  'runner/assist-x87.test.js': 'pure functions',
  'runner/interleavings.test.js': 'puts the steps of two made-up threads in every order',
  'snapshot/command.test.js': 'starts a process for each test; what the commands do is tested below them',
  'snapshot/fork-command.test.js': 'starts a process for each test; what the command does is tested below it',
  'snapshot/diff/': 'compares made-up bytes',
  'snapshot/export/': 'reads exported files with other programs',
  'snapshot/registry/': 'talks to a registry',
  'snapshot/show/': 'prints made-up bytes',
  'snapshot/store/': 'reads and writes files',
  'soak/': 'starts a process that pauses some hundred times, or reads made-up samples',
  'support/': 'tests what the tests are made of',
  'svm/': 'tests this runner',
  'tools/testing/page.test.js': 'reads a page and the suites it shows',
  'tools/testing/source.test.js': 'looks for room in file systems',
  'tools/testing/text.test.js': 'values without KVM',
};

/** The reason not to run a file, if there is one. */
export function reasonToExclude(file: string): string | undefined {
  const rule = Object.keys(EXCLUDED).find((path) => (path.endsWith('/') ? file.startsWith(path) : file === path));
  return rule === undefined ? undefined : EXCLUDED[rule];
}

/** Guests that stand for the others where each one costs seconds. */
const REPRESENTATIVES =
  /'(hello-long|kernel|ring3|smp-2|timer-pit|timer-lapic|echo-polled|checksum-writer-2|fault-sse)'/;

/** Single tests that it does not run, by their full name, each with the reason. */
export const SKIPPED: readonly { readonly test: (name: string) => boolean; readonly reason: string }[] = [
  {
    test: (name) => name.startsWith('guests, each vCPU in its thread') && !REPRESENTATIVES.test(name),
    reason: 'starting a thread takes seconds on an emulated processor; the same guests run without threads',
  },
  {
    test: (name) => name.startsWith('a store of an earlier release'),
    reason: 'a store of an earlier release: reads and writes files; its machines are tested there',
  },
];
