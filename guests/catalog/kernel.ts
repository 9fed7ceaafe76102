/** C guests on the runtime: the kernel to start your own from, computation, ring 3, several processors. */
import { EXIT_CODES } from '../contract.ts';
import { exits, type Guest, guest } from '../guest.ts';

/** Running hashes of kernel/compute.c; a test computes them anew. */
export const COMPUTE_HASHES: readonly string[] = [
  '4dd31535038f19d5',
  'e0ac25c13a7921e0',
  '31c5b568f9e5c258',
  '040dc8ee71046152',
  '3049a8fb1bfd7c20',
  'e7fa55dbb7a67714',
  'fd491bacab84a26b',
  '86270cef966aa70c',
];

/** The exit status is the last byte of the last hash. */
const compute = (ring: 0 | 3) =>
  exits(
    0x0c,
    `compute: ${COMPUTE_HASHES.length} rounds over 64 KiB in ring ${ring}\n${COMPUTE_HASHES.map((hash, i) => `round ${i + 1} hash ${hash}\n`).join('')}`,
  );

const smpOutput = (cpus: number) =>
  `smp: ${cpus} processors\n${Array.from({ length: cpus }, (_, n) => `cpu ${n}: apic id ${n}, counted to 1000\n`).join('')}smp: done\n`;

export const KERNEL: readonly Guest[] = [
  guest({
    name: 'kernel',
    format: 'elf',
    mode: 'long',
    shows: 'C on the runtime: printf, IDT, handled exceptions, exit; start your own guest from it',
    build: { target: 'long-elf', sources: ['kernel/kernel.c'], runtime: true },
    expect: exits(
      EXIT_CODES.OK,
      [
        'kernel: a C guest in long mode, ring 0',
        'kernel: decimal -42, unsigned 42, hexadecimal 0x0000beef, long 0x123456789abcdef0, text "abc", letter z, percent %',
        'kernel: paging is on, BSS is zero',
        'kernel: 2 exceptions handled',
        'kernel: done\n',
      ].join('\n'),
    ),
  }),
  guest({
    name: 'compute',
    format: 'elf',
    mode: 'long',
    shows: 'computation over all its memory with a running hash: the same wherever it is saved and restored',
    build: { target: 'long-elf', sources: ['kernel/compute.c'], runtime: true },
    expect: compute(0),
  }),
  guest({
    name: 'compute-ring3',
    format: 'elf',
    mode: 'long',
    shows: 'the same computation in ring 3',
    build: { target: 'long-elf', sources: ['kernel/compute.c'], runtime: true, defines: { RING: 3 } },
    expect: compute(3),
  }),
  guest({
    name: 'ring3',
    format: 'elf',
    mode: 'long',
    shows: 'ring 3: computes, writes pages and ports, is repaired by and kept from the kernel',
    build: { target: 'long-elf', sources: ['kernel/ring3.c'], runtime: true },
    expect: exits(
      EXIT_CODES.OK,
      [
        'ring3: sum of squares up to 100000 is 333338333350000',
        'ring3: port written from ring 3',
        'ring3: the kernel made 42 of 41',
        "ring3: reading the kernel's memory: 0xdead",
        'ring3: done\n',
      ].join('\n'),
    ),
  }),
  guest({
    name: 'remap',
    format: 'elf',
    mode: 'long',
    shows: 'page tables that change under ring 3, by 2 MiB and by 4 KiB pages: what is read is what is mapped',
    build: { target: 'long-elf', sources: ['kernel/remap.c'], runtime: true },
    expect: exits(EXIT_CODES.OK, 'remap: 20 rounds, all as mapped\n'),
  }),
  ...['preempt', 'preempt-pit'].map((name, by8254) =>
    guest({
      name,
      format: 'elf',
      mode: 'long',
      shows: `ring 3 in an endless loop, interrupted by ${by8254 ? 'the 8254' : 'the APIC timer'}`,
      build: { target: 'long-elf', sources: ['kernel/preempt.c'], runtime: true, defines: { BY_8254: by8254 } },
      options: { irqchip: 'yes' },
      expect: exits(EXIT_CODES.OK, 'preempt: ring 3 until 20 interrupts\npreempt: 20 interrupts, all from ring 3\n'),
      deterministic: false,
    }),
  ),
  ...[false, true].map((first) =>
    guest({
      name: first ? 'msrs-changed' : 'msrs',
      format: 'elf',
      mode: 'long',
      shows: `changes every model-specific register that lets itself be changed${first ? ', at its start' : ''}, and compares them later`,
      build: {
        target: 'long-elf',
        sources: ['kernel/msrs.c'],
        runtime: true,
        ...(first && { defines: { CHANGE_FIRST: 1 } }),
      },
      options: { stdin: first ? 'cq' : 'wcq' },
      expect: exits(
        EXIT_CODES.OK,
        `msrs: ${first ? 'changed\nmsrs: ready' : 'ready\nmsrs: changed'}\nmsrs: 0 differ\n`,
      ),
      deterministic: false,
    }),
  ),
  guest({
    name: 'nested',
    format: 'elf',
    mode: 'long',
    shows: 'a guest that runs a guest itself by SVM, where the host lets it',
    build: { target: 'long-elf', sources: ['kernel/nested.S'] },
    expect: { stdout: /^(no SVM\n|L1\nL2\nL1 again\n)$/, ending: { kind: 'halted' } },
  }),
  ...[1, 2, 4].map((cpus) =>
    guest({
      name: cpus === 1 ? 'smp' : `smp-${cpus}`,
      format: 'elf',
      mode: 'long',
      shows: `${cpus} processors`,
      build: { target: 'long-elf', sources: ['kernel/smp.c'], runtime: true },
      options: { cpus, irqchip: 'yes' },
      expect: exits(EXIT_CODES.OK, smpOutput(cpus)),
      deterministic: cpus === 1,
    }),
  ),
];
