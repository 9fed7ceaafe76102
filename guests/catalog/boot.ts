/** Guests of a PC's BIOS: boot sectors, and disks that begin with one. */
import { EXIT_CODES } from '../contract.ts';
import { exits, type Guest, type GuestRow, guest } from '../guest.ts';

type Rest = Omit<GuestRow, 'format' | 'mode' | 'build' | 'expect'> & { readonly screen: readonly string[] };

/** A guest whose source is `boot/NAME.S`, that ends well with these lines on its screen. */
function bootGuest(format: 'boot-sector' | 'disk', { name, screen, ...rest }: Rest): Guest {
  return guest({
    ...rest,
    name: `boot-${name}`,
    format,
    mode: 'real',
    build: { target: 'real-flat', sources: [`boot/${name}.S`] },
    expect: { ...exits(EXIT_CODES.OK, ''), screen },
    deterministic: false, // the BIOS counts the timer's ticks
  });
}

export const BOOT: readonly Guest[] = [
  bootGuest('boot-sector', {
    name: 'hello',
    shows: 'the shortest guest of a BIOS: a line by INT 10h',
    screen: ['Hello from the BIOS'],
  }),
  bootGuest('boot-sector', {
    name: 'echo',
    shows: 'keys by INT 16h, until Enter',
    options: { irqchip: 'yes', typed: 'Boot me, twice!\n' },
    screen: ['type: Boot me, twice!'],
  }),
  bootGuest('boot-sector', {
    name: 'memory',
    shows: 'the memory map of INT 15h AX=E820h, and A20',
    screen: ['00003e7fh KiB usable, A20 on'],
  }),
  bootGuest('boot-sector', {
    name: 'protected',
    shows: 'from real mode to 32-bit protected mode',
    screen: ['Hello from 32 bits'],
  }),
  bootGuest('boot-sector', {
    name: 'long',
    shows: 'from real mode to 64-bit long mode',
    screen: ['Hello from 64 bits'],
  }),
  bootGuest('boot-sector', {
    name: 'timer',
    shows: "a handler of its own for the timer, set up by the BIOS but for the timer's counts",
    options: { irqchip: 'yes' },
    screen: ['10 ticks'],
  }),
  bootGuest('boot-sector', {
    name: 'colours',
    shows: 'sixteen colours, and scrolling',
    screen: ['', '0123456789abcdef'],
  }),
  bootGuest('disk', {
    name: 'disk',
    shows: 'sectors of its disk: read by cylinder, written and read by number',
    screen: ['read from the disk', 'read from the disk'],
  }),
  bootGuest('disk', {
    name: 'loader',
    shows: 'a loader in two parts',
    screen: ['first sector, third sector'],
  }),
  bootGuest('disk', {
    name: 'fat12',
    shows: 'a file of a FAT12 volume, by its name',
    screen: ['a file in two clusters'],
  }),
];
