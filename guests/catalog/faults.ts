/** One guest for each way to go wrong, or to stop without the exit port. */
import { EXIT_CODES } from '../contract.ts';
import { type Expectation, ends, exits, type Guest, guest } from '../guest.ts';

const fault = (name: string, c: string, shows: string, expect: Expectation): Guest =>
  guest({
    name,
    format: 'elf',
    mode: 'long',
    shows,
    build: { target: 'long-elf', sources: ['faults/fault.c'], runtime: true, defines: { FAULT: c } },
    expect,
  });

/** The runtime's report of an exception it has no handler for. */
const unhandled = (vector: number, name: string, error: number, more = '') =>
  exits(
    EXIT_CODES.EXCEPTION + vector,
    new RegExp(`^exception ${vector} ${name} error 0x${error.toString(16)} ring 0 rip 0x10[0-9a-f]{4}${more}\n$`),
  );

const SSE_LINE = 'a packed addition in ring 0\n';

export const FAULTS: readonly Guest[] = [
  fault(
    'fault-triple',
    'triple_fault',
    'triple fault: KVM reports a shutdown',
    ends('shutdown', 'no IDT, then an invalid opcode: exception, double fault, triple fault\n'),
  ),
  fault('fault-ud2', 'invalid_opcode', 'an invalid opcode nobody handles', unhandled(6, '#UD invalid opcode', 0)),
  fault(
    'fault-ud2-handled',
    'handled_opcode',
    'an invalid opcode that a handler steps over',
    exits(EXIT_CODES.OK, 'handler: exception 6\nand on\n'),
  ),
  fault(
    'fault-page',
    'page_fault',
    'a write to an address that is not mapped',
    unhandled(14, '#PF page fault', 2, ' address 0x123456789000'),
  ),
  fault(
    'fault-gp',
    'general_protection',
    'a write to an address that is not canonical',
    unhandled(13, '#GP general protection', 0),
  ),
  fault('fault-divide', 'divide_error', 'a division by zero', unhandled(0, '#DE divide error', 0)),
  fault(
    'fault-mmio',
    'mmio_nowhere',
    'memory-mapped I/O where there is nothing: ones',
    exits(EXIT_CODES.OK, 'nobody there: 0xffffffff\n'),
  ),
  fault(
    'fault-port',
    'unclaimed_port',
    'a port that nothing claims: ones',
    exits(EXIT_CODES.OK, 'nobody there: 0xff 0xffff 0xffffffff\n'),
  ),
  fault('fault-sse', 'sse_in_ring0', 'an SSE instruction in ring 0: an emulating KVM gives up, hardware runs it', {
    ...exits(EXIT_CODES.OK, `${SSE_LINE}this processor can: 2 4 6 8\n`),
    onEmulatedRing0: ends('emulation-failure', SSE_LINE),
  }),
  fault(
    'reset-i8042',
    'reset_i8042',
    'reset through the keyboard controller',
    ends('reset', 'reset by the keyboard controller\n'),
  ),
  fault('reset-port-a', 'reset_port_a', 'reset through port 0x92', ends('reset', 'reset by system control port A\n')),
  fault('poweroff', 'poweroff', 'ACPI-style power off through port 0x604', ends('poweroff', 'power off\n')),
  fault('hlt-forever', 'halt', 'HLT with interrupts off: halted, not hanging', ends('halted', 'halted for good\n')),
  fault(
    'spin',
    'spin',
    'an endless loop without exits: only a kick ends it',
    ends('endless', 'an endless loop without exits\n'),
  ),
  fault('panic', 'guest_panic', 'a guest that gives up by itself', exits(EXIT_CODES.PANIC, 'panic: 4 is not 5\n')),
  guest({
    name: 'overrun',
    format: 'elf',
    mode: 'long',
    shows: 'a name written over the number behind it: found with run --record and blame',
    build: { target: 'long-elf', sources: ['faults/overrun.c'], runtime: true },
    expect: exits(
      EXIT_CODES.PANIC,
      'overrun: 3 accounts, 300 in all\noverrun: they have names now\npanic: 1919250744 in all, it was 300\n',
    ),
  }),
];
