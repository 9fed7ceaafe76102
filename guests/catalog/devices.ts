/** Guests that talk to devices: timers, the serial port, ports in bulk. */
import { EXIT_CODES, LIMITS } from '../contract.ts';
import { exits, type Guest, guest } from '../guest.ts';

const TICKS = Array.from({ length: 10 }, (_, i) => `tick ${i + 1}\n`).join('');
const TYPED = 'hello\nguest\n';
const END_OF_INPUT = '\x04';
const REP_OUTS_TEXT = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n';

const echo = (name: string) => ({
  options: { stdin: TYPED + END_OF_INPUT },
  expect: exits(EXIT_CODES.OK, `${name}: type, end with Ctrl-D\n${TYPED}\n${name}: ${TYPED.length} bytes\n`),
  deterministic: false,
});

export const DEVICES: readonly Guest[] = [
  guest({
    name: 'timer-pit',
    format: 'elf',
    mode: 'long',
    shows: 'timer interrupts through the 8254 and the 8259s, HLT in between',
    build: { target: 'long-elf', sources: ['devices/timer-pit.c'], runtime: true },
    options: { irqchip: 'yes' },
    expect: exits(EXIT_CODES.OK, `pit: waiting for 10 interrupts\n${TICKS}pit: done\n`),
    deterministic: false,
  }),
  ...['timer-spin', 'timer-compute'].map((name, computes) =>
    guest({
      name,
      format: 'elf',
      mode: 'long',
      shows: `timer interrupts through the 8254 and the 8259s, the processor ${computes ? 'computes' : 'spins'} in between`,
      build: {
        target: 'long-elf',
        sources: ['devices/timer-busy.c'],
        runtime: true,
        defines: { COMPUTES: computes },
      },
      options: { irqchip: 'yes' },
      expect: exits(EXIT_CODES.OK, 'busy: 10 ticks\n'),
      deterministic: false,
    }),
  ),
  guest({
    name: 'timer-lapic',
    format: 'elf',
    mode: 'long',
    shows: "timer interrupts from the processor's own APIC",
    build: { target: 'long-elf', sources: ['devices/timer-lapic.c'], runtime: true },
    options: { irqchip: 'yes' },
    expect: exits(EXIT_CODES.OK, `lapic: waiting for 10 interrupts\n${TICKS}lapic: done\n`),
    deterministic: false,
  }),
  guest({
    name: 'echo-polled',
    format: 'elf',
    mode: 'long',
    shows: 'serial input, polled',
    build: { target: 'long-elf', sources: ['devices/echo.c'], runtime: true },
    ...echo('echo-polled'),
  }),
  guest({
    name: 'echo-irq',
    format: 'elf',
    mode: 'long',
    shows: 'serial input by interrupt: sleeps until IRQ 4',
    build: { target: 'long-elf', sources: ['devices/echo.c'], runtime: true, defines: { INTERRUPTS: 1 } },
    ...echo('echo-irq'),
    options: { ...echo('echo-irq').options, irqchip: 'yes' },
  }),
  guest({
    name: 'generation',
    format: 'elf',
    mode: 'long',
    shows: 'a number that is another one after a restore or fork (VM generation id)',
    build: { target: 'long-elf', sources: ['devices/generation.c'], runtime: true },
    options: { irqchip: 'yes' },
    expect: exits(EXIT_CODES.OK, `first ${'0'.repeat(32)}\nthen  ${'0'.repeat(32)}\n`),
    deterministic: false,
  }),
  guest({
    name: 'screen',
    format: 'elf',
    mode: 'long',
    shows: "the VGA's text screen and the keyboard, by IRQ 1; ends with Esc",
    build: { target: 'long-elf', sources: ['devices/screen.c'], runtime: true },
    options: { irqchip: 'yes', typed: 'Hello, keyz\b board!\n\x1b' },
    expect: {
      ...exits(EXIT_CODES.OK, ''),
      screen: ['screen: type, end with Esc', 'Hello, key board!', '', 'screen: bye'],
    },
    deterministic: false,
  }),
  ...['disk-log', 'disk-log-irq'].map((name, interrupts) =>
    guest({
      name,
      format: 'elf',
      mode: 'long',
      shows: `a driver for a virtio disk, ${interrupts ? 'by interrupt, of an I/O APIC or an 8259' : 'polled'}: a log of files that memory and disk must agree about`,
      build: {
        target: 'long-elf',
        sources: ['devices/disk-log.c', 'devices/virtio.c'],
        runtime: true,
        defines: { INTERRUPTS: interrupts },
      },
      options: { irqchip: interrupts ? 'yes' : 'any' },
      expect: exits(EXIT_CODES.OK, 'disk-log: no disk; give it one: --disk FILE\n'),
    }),
  ),
  guest({
    name: 'interrupt',
    format: 'elf',
    mode: 'long',
    shows: 'without interrupt controllers: HLT until the host injects vector 0x24 (a byte of input may trigger it)',
    build: { target: 'long-elf', sources: ['devices/interrupt.c'], runtime: true },
    options: { irqchip: 'no', stdin: 'x' },
    expect: exits(EXIT_CODES.OK, 'interrupt: waiting for vector 0x24\ninterrupt: received\n'),
    deterministic: false,
  }),
  guest({
    name: 'debugcon',
    format: 'elf',
    mode: 'long',
    shows: 'the debug console: found by reading 0xe9, then written',
    build: { target: 'long-elf', sources: ['io/debugcon.S'] },
    expect: { ...exits(EXIT_CODES.OK, ''), debugcon: 'Hello from the debug console\n' },
  }),
  guest({
    name: 'string-io',
    format: 'elf',
    mode: 'long',
    shows: 'REP INS and OUTS: all widths, long runs, backwards',
    build: { target: 'long-elf', sources: ['io/string-io.c'], runtime: true },
    expect: exits(
      EXIT_CODES.OK,
      'string-io: backwards out.\nstring-io: forwards in: QEMU\nstring-io: backwards in: UMEQ\nstring-io: three long reads of ones\n',
    ),
  }),
  guest({
    name: 'rep-outs',
    format: 'elf',
    mode: 'long',
    shows: '1 MiB of serial output by REP OUTSB (param_count lines of 64 bytes)',
    build: { target: 'long-elf', sources: ['io/rep-outs.S'] },
    expect: exits(EXIT_CODES.OK, REP_OUTS_TEXT.repeat(LIMITS.REP_OUTS_LINES)),
  }),
  guest({
    name: 'port-loop',
    format: 'elf',
    mode: 'long',
    shows: 'param_count writes to port 0x80: what an exit costs',
    build: { target: 'long-elf', sources: ['io/port-loop.S'], defines: { LOOP_PORT: 'PORT_POST' } },
    expect: exits(EXIT_CODES.OK, ''),
  }),
  guest({
    name: 'port-loop-unclaimed',
    format: 'elf',
    mode: 'long',
    shows: 'the same to a port that nothing claims',
    build: { target: 'long-elf', sources: ['io/port-loop.S'], defines: { LOOP_PORT: 'PORT_UNCLAIMED' } },
    expect: exits(EXIT_CODES.OK, ''),
  }),
];
