/** Test files that the second host does not run, by path under dist/test (a folder ends in '/'), each with the reason. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'abi/': 'compares tables with the headers of Linux, and decodes made-up bytes',
  'architecture.test.js': 'reads the sources',
  'arguments.test.js': 'values that are refused before KVM is asked; it passes there, in more than a minute',
  'runner/thread-programs.test.js': 'reads the built programs',
  'bench/': 'measures and formats; times mean nothing on an emulated processor',
  'campaigns/': 'reads command lines; a campaign runs points of its own on this host',
  'tools/cli/':
    'starts a process for each test, which takes seconds on an emulated processor; what the commands do is tested below them',
  'tools/cli-store/':
    'starts a process or a browser for each test; what the commands print does not depend on the KVM underneath',
  'tools/control/': 'sockets and messages',
  'tools/gdb/commands.test.js': 'starts a process for each test; what the commands do is tested below them',
  'tools/gdb/door.test.js': 'sockets; what is left in the machine is tested below them',
  'tools/gdb/hostile.test.js': 'packets that are refused before KVM is asked; each of the others takes long there',
  'tools/gdb/packets.test.js': 'pure functions on bytes',
  'tools/gdb/real-clients.test.js': 'starts a debugger and a machine for each test; the packets are tested below it',
  'tools/gdb/session-door.test.js': 'sockets',
  'tools/gdb/past.test.js': 'starts processes; the debugger of a recording is tested below it',
  'tools/learn/command.test.js': 'starts a process for each test; every exercise is solved there in matrix.test.js',
  'tools/learn/course.test.js': 'compares texts',
  'tools/learn/daily.test.js': 'starts a process for each test; every exercise is solved there in matrix.test.js',
  'tools/learn/programs.test.js': 'programs that do not get as far as KVM',
  'tools/learn/recording.test.js':
    'recordings do not depend on the KVM underneath, and were made on another; on this one the exercises are solved in matrix.test.js',
  'tools/screen/': 'pure functions on bytes',
  'tools/trace/': 'pure functions on bytes',
  'tools/view/': 'starts a browser; pages and their server do not depend on the KVM underneath',
  'tools/testing/': 'starts other runs of tests, or fixtures over machines that are tested below them',
  'debug/log.test.js': 'bytes and numbers, without KVM',
  'devices/bus.test.js': 'devices without KVM: bytes in, bytes out',
  'devices/cmos.test.js': 'devices without KVM',
  'devices/devices.test.js': 'devices without KVM',
  'devices/i8042.test.js': 'devices without KVM',
  'devices/lock.test.js': 'threads over shared memory, without KVM',
  'devices/mmio.test.js': 'devices without KVM',
  'devices/pic/pair.test.js': 'devices without KVM',
  'devices/pit/': 'devices without KVM',
  'devices/serial-input.test.js': 'devices without KVM',
  'devices/small-devices.test.js': 'devices without KVM',
  'devices/uart-interrupts.test.js': 'devices without KVM',
  'devices/uart.test.js': 'devices without KVM',
  'devices/vga.test.js': 'devices without KVM',
  'devices/virtio/': 'devices without KVM',
  'disk/': 'files and memory, without KVM',
  'docs/': 'starts a process for each lesson',
  'errors.test.js': 'values without KVM',
  'guests/': 'builds and reads files',
  'kvm/call.test.js': 'a made-up descriptor',
  'kvm/docstrings.test.js': 'reads the sources',
  'loaders/': 'pure functions on bytes; the guests that are booted show the loaders at work',
  'memory/bitmap.test.js': 'pure functions',
  'memory/borrow.test.js': 'memory shared by threads, without KVM',
  'memory/guest-memory.test.js': 'a memory file, without KVM',
  'memory/layout.test.js': 'pure functions',
  'memory/page-set.test.js': 'pure functions',
  'memory/oracle.test.js': 'a memory file against an array, without KVM',
  'options.test.js': 'values without KVM',
  'package/': 'reads what would be published',
  'runner/assist-decode.test.js': 'compares two decoders',
  'runner/assist-x87.test.js': 'pure functions',
  'runner/counts.test.js': 'pure functions',
  'runner/io-work.test.js': 'words in shared memory and made-up queues, without KVM',
  'runner/interleavings.test.js': 'puts the steps of two made-up threads in every order',
  'runner/mailbox.test.js': 'words in shared memory, without KVM',
  'runner/output.test.js': 'bytes between threads, without KVM',
  'runner/serial-texts.test.js': 'pure functions',
  'snapshot/cache-command.test.js': 'starts a process for each test; the cache itself is tested below it',
  'snapshot/command.test.js': 'starts a process for each test; what the commands do is tested below them',
  'snapshot/fork-memory.test.js':
    'a known fault: a fork took 1.3 MiB there in one run, where 1 MiB is allowed; not explained',
  'snapshot/fork-command.test.js': 'starts a process for each test; what the command does is tested below it',
  'snapshot/disk-export.test.js': 'reads and writes files; nothing runs',
  'snapshot/diff/': 'compares made-up bytes',
  'snapshot/export/': 'reads exported files with other programs',
  'snapshot/registry/': 'talks to a registry',
  'snapshot/show/': 'prints made-up bytes',
  'snapshot/store/': 'reads and writes files',
  'soak/': 'starts a process that pauses some hundred times, or reads made-up samples',
  'support/': 'tests what the tests are made of',
  'svm/': 'tests this runner',
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
  {
    test: (name) => /^serial input .*(more than the queue holds|typed before the guest runs)/.test(name),
    reason: 'the queue of typed bytes is the same on every host, and each byte costs exits; the other input is tested',
  },
  {
    test: (name) => name.endsWith('floods the serial port while nobody reads can be paused, and nothing is lost'),
    reason: 'a full ring between threads is the same on every host, and filling it costs exits',
  },
  {
    test: (name) => name.startsWith('calls into a vCPU thread') || name.includes('> a sink that throws fails the run'),
    reason: 'messages between threads, without KVM; starting a thread takes seconds',
  },
  {
    test: (name) => name.endsWith('> Linux to a shell, 1 CPU') || name.endsWith('> Linux, first lines (ELF, PVH)'),
    reason: 'Linux to a shell with 2 CPUs does all of it',
  },
  {
    test: (name) => /> (GRUB shell|multiboot example kernel)$/.test(name),
    reason: 'GRUB boots that kernel there, from that shell',
  },
  {
    test: (name) => /> (memdisk, which boots|memtest86\+ for 32-bit processors, linux16)/.test(name),
    reason: 'iPXE starts by the same entry there; memdisk is booted on the other host',
  },
  {
    test: (name) => name.endsWith('> disk-log, 2 times'),
    reason: 'the same guest with interrupts does all of it',
  },
  {
    test: (name) => /^several processors .*> 2 start each other/.test(name) || /HLT with .*cpus: 2/.test(name),
    reason: '4 processors do what 2 do; each is a thread that takes seconds to start',
  },
  {
    test: (name) => name.endsWith('> memory-writer: its counter moves only while it runs'),
    reason: 'another guest in kernel mode, and one in ring 3, are paused there',
  },
  {
    test: (name) =>
      /^a live session .*(a writing thread that ends|tells how far|leaves the event loop free|when its parent has been)/.test(
        name,
      ),
    reason:
      'the writer of live checkpoints, the event loop and the store are the same on every host; starting a thread takes seconds',
  },
  {
    test: (name) => /^a full disk .*(under a live session|in the middle of an incremental)/.test(name),
    reason: 'what the store does on a full disk is the same on every host',
  },
  {
    test: (name) => /^live checkpoints hold one moment .*'checksum-writer-[12]'/.test(name),
    reason: 'four writers do what one and two do',
  },
  {
    test: (name) =>
      /^a session .*> (acknowledges|offers what|does not know|describes its|refuses values|reads and writes memory|prints what|detaches)/.test(
        name,
      ),
    reason:
      'what a debugger is answered without running the guest is the same on every host; starting a thread takes seconds',
  },
  {
    test: (name) => /^the exercises .*> \d/.test(name) && !/> (02|09|11|13|16)-/.test(name),
    reason:
      'starts processes, 20 seconds for each exercise; those that KVM on AMD answers otherwise, and two more, are solved',
  },
  {
    test: (name) => name.endsWith('> XGETBV reads XCR0 and XSETBV writes it, where the guest has XSAVE'),
    reason:
      'QEMU 7.2 does not intercept XSETBV: KVM never hears of it, and takes it back when the guest is next entered',
  },
  {
    test: (name) =>
      name.endsWith('> waits for the instruction behind STI, where KVM_RUN was left between the two') ||
      name.endsWith('> that depends on what is not recorded is not found, and that is said'),
    reason: "VMRUN of QEMU 7.2 forgets the shadow of STI (QEMU 10 keeps it): docs/kvm-kinds.md, 'An emulated host'",
  },
  {
    test: (name) => name.startsWith('forks leave nothing behind'),
    reason: 'descriptors and mappings of forks are the same on every host; those of machines are counted there',
  },
];
