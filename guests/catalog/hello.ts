/** The first guests to read: one for each way of starting. */
import { EXIT_CODES, MEMORY } from '../contract.ts';
import { exits, type Guest, guest } from '../guest.ts';

const MODULES = [
  { name: 'first', text: 'one' },
  { name: 'second', text: 'two words' },
];
const BOOT_INFO_OPTIONS = { cmdline: 'alpha beta=1', modules: MODULES };
/** Loaders may put the program's name before the command line, and a path before a module's name. */
const SAID = {
  cmdline: '(?:\\S+ )?alpha beta=1',
  modules: MODULES.map((m) => `module: (?:\\S*/)?${m.name} = ${m.text}\n`).join(''),
  map: '(?:map: 0x[0-9a-f]+ \\+ 0x[0-9a-f]+ type 0x[0-9a-f]+\n)+',
};

export const HELLO: readonly Guest[] = [
  guest({
    name: 'hello-long',
    format: 'elf',
    mode: 'long',
    shows: 'the shortest guest: 64-bit ELF, one line, exit status 0',
    build: { target: 'long-elf', sources: ['hello/long.S'] },
    expect: exits(EXIT_CODES.OK, 'Hello from long mode\n'),
  }),
  guest({
    name: 'hello-long-flat',
    format: 'flat',
    mode: 'long',
    shows: 'the same code as a flat image: no headers, any address',
    build: { target: 'long-flat', sources: ['hello/long.S'] },
    options: { load: MEMORY.FLAT },
    expect: exits(EXIT_CODES.OK, 'Hello from long mode\n'),
  }),
  guest({
    name: 'hello-protected',
    format: 'elf',
    mode: 'protected',
    shows: '32-bit ELF: protected mode, paging off',
    build: { target: 'protected-elf', sources: ['hello/protected.S'] },
    expect: exits(EXIT_CODES.OK, 'Hello from protected mode\n'),
  }),
  guest({
    name: 'hello-protected-flat',
    format: 'flat',
    mode: 'protected',
    shows: 'the same code as a flat image',
    build: { target: 'protected-flat', sources: ['hello/protected.S'] },
    options: { load: MEMORY.FLAT },
    expect: exits(EXIT_CODES.OK, 'Hello from protected mode\n'),
  }),
  guest({
    name: 'hello-real',
    format: 'flat',
    mode: 'real',
    shows: '16-bit real mode, flat, any address',
    build: { target: 'real-flat', sources: ['hello/real.S'] },
    options: { load: MEMORY.FLAT },
    expect: exits(EXIT_CODES.OK, 'Hello from real mode\n'),
  }),
  guest({
    name: 'hello-boot-sector',
    format: 'boot-sector',
    mode: 'real',
    shows: 'the same code as a boot sector: 512 bytes, 0xaa55 at the end, started at 0:7c00',
    build: { target: 'real-flat', sources: ['hello/real.S'], defines: { BOOT_SECTOR: 1 } },
    expect: exits(EXIT_CODES.OK, 'Hello from real mode\n'),
    deterministic: false, // it starts with interrupts on, and the BIOS counts the timer's ticks
  }),
  guest({
    name: 'hello-multiboot',
    format: 'multiboot1',
    mode: 'protected',
    shows: 'multiboot 1 at its smallest; QEMU -kernel boots it too',
    build: { target: 'protected-elf', sources: ['hello/multiboot.S'] },
    expect: exits(EXIT_CODES.OK, 'Hello from multiboot 1\n'),
  }),
  guest({
    name: 'multiboot-info',
    format: 'multiboot1',
    mode: 'protected',
    shows: 'what a multiboot 1 loader passes: memory, command line, modules, map',
    build: {
      target: 'protected-elf',
      sources: ['runtime/entry32.S', 'hello/multiboot-info.c'],
      defines: { MULTIBOOT1: 1 },
    },
    options: BOOT_INFO_OPTIONS,
    expect: exits(
      EXIT_CODES.OK,
      new RegExp(
        `^Hello from multiboot 1\nmemory: 0x[0-9a-f]+ KiB and 0x[0-9a-f]+ KiB\ncmdline: ${SAID.cmdline}\n${SAID.modules}${SAID.map}$`,
      ),
    ),
  }),
  guest({
    name: 'hello-multiboot2',
    format: 'multiboot2',
    mode: 'protected',
    shows: 'what a multiboot 2 loader passes, tag by tag',
    build: {
      target: 'protected-elf',
      sources: ['runtime/entry32.S', 'hello/multiboot2.c'],
      defines: { MULTIBOOT2: 1 },
    },
    options: BOOT_INFO_OPTIONS,
    // The order of the tags is the loader's choice.
    expect: exits(
      EXIT_CODES.OK,
      new RegExp(
        `^Hello from multiboot 2\n(?=[^]*cmdline: ${SAID.cmdline}\n)(?=[^]*${SAID.modules})(?=[^]*${SAID.map})(?:(?:cmdline|loader|module|memory|map): .*\n)+$`,
      ),
    ),
  }),
  guest({
    name: 'hello-pvh',
    format: 'elf-pvh',
    mode: 'protected',
    shows: 'what a PVH loader passes: command line, modules, map; QEMU -kernel boots it too',
    build: { target: 'protected-elf', sources: ['runtime/entry32.S', 'hello/pvh.c'], defines: { PVH: 1 } },
    options: BOOT_INFO_OPTIONS,
    expect: exits(
      EXIT_CODES.OK,
      new RegExp(
        `^Hello from PVH\ncmdline: ${SAID.cmdline}\n(?:module: \\S+(?: \\S+)* = one\nmodule: \\S+(?: \\S+)* = two words\n)${SAID.map}$`,
      ),
    ),
  }),
  guest({
    name: 'hello-pie',
    format: 'elf',
    mode: 'long',
    shows: 'static-PIE: prints only if the loader applied its RELATIVE relocations',
    build: { target: 'static-pie', sources: ['hello/pie.c'] },
    expect: exits(EXIT_CODES.OK, 'Hello from a position-independent executable\n'),
  }),
  guest({
    name: 'hello-pie-relr',
    format: 'elf',
    mode: 'long',
    shows: 'the same with packed (RELR) relocations',
    build: { target: 'static-pie', sources: ['hello/pie.c'], relr: true },
    expect: exits(EXIT_CODES.OK, 'Hello from a position-independent executable\n'),
  }),
];
