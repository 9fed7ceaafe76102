/**
 * Checkpoints exactly on the exits at which the guest's state is not complete yet: IN, reads of MMIO, the middle of string
 * accesses, interrupt windows. A few bytes of code each, interrupted at every exit it makes.
 */
import { expect, it } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import type { CpuMode } from '../../../src/machine/entry.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { describeKvm, isPvm } from '../../support/kvm.ts';
import { CODE, LOW_CODE } from '../../support/machines.ts';
import { temporaryDirectory } from '../store/support.ts';
import { expectFidelity, interrupted, undisturbed } from './compare.ts';

const hex = (lines: readonly string[]) => Buffer.from(lines.join('').replace(/\s+/g, ''), 'hex');

interface Code {
  readonly name: string;
  readonly mode: CpuMode;
  readonly irqchip: boolean;
  readonly code: readonly string[];
  /** What its exits must contain, so that the test is about what it says. */
  readonly sees: readonly RegExp[];
  readonly value: number;
  readonly serial?: string;
  readonly debugcon?: string;
  /** Interrupt lines raised from the start. */
  readonly lines?: number;
}

const SELECT_SIGNATURE = 'ba1005 31c0 ef ba1105'; // mov dx,0x510; xor ax,ax; out dx,ax; mov dx,0x511
const EXIT_AL = 'e6f4'; // out 0xf4,al

const CODES: readonly Code[] = [
  {
    name: 'in',
    mode: 'real',
    irqchip: true,
    code: [SELECT_SIGNATURE, 'ec 88c3 ec 88c7 ec 88c1 ec 88c5', '88d8', EXIT_AL], // four times in al,dx: bl bh cl ch
    sees: [/^IO in 0x511 1x1 51$/, /^IO in 0x511 1x1 55$/],
    value: 0x51,
  },
  {
    name: 'mmio-read',
    mode: 'protected',
    irqchip: false,
    code: [
      'a1000000fe', // mov eax,[0xfe000000]: all ones, nobody is there
      'be000000fe bf00001800 a5', // movsd from 0xfe000000 to 0x180000: completing the read writes RAM
      '8b1d00001800', // mov ebx,[0x180000]
      '031d000000fe', // add ebx,[0xfe000000]
      '0105000000fe', // add [0xfe000000],eax: a read and a write
      '8b0d000000fe', // mov ecx,[0xfe000000]
      '88d8',
      EXIT_AL, // mov al,bl
    ],
    sees: [/^MMIO read 0xfe000000 ffffffff$/, /^MMIO write 0xfe000000 feffffff$/],
    value: 0xfe,
  },
  {
    name: 'string-io',
    mode: 'real',
    irqchip: true,
    code: [
      'fc',
      SELECT_SIGNATURE,
      'bf0090 b90400 f36c', // rep insb, 4 bytes to 0x9000
      'baf803 be0090 b90400 f36e', // rep outsb, those 4 to the serial port
      SELECT_SIGNATURE,
      'fd bf1390 b90400 f36c fc', // the same backwards, to 0x9013..0x9010
      'a01390',
      EXIT_AL,
    ],
    sees: [/^IO in 0x511 1x\d/, /^IO out 0x3f8 1x1/],
    value: 0x51,
    serial: 'QEMU',
  },
  {
    name: 'interrupt-window',
    mode: 'real',
    irqchip: false,
    lines: 1 << 4,
    code: [
      'fa 31c0 8ed8 c7069000407c c70692000000 bc0070', // vector 0x24 at 0:7c40; a stack
      'e680 e680 fb 90 90 e680 b005',
      EXIT_AL,
      '90'.repeat(0x40 - 33),
      '50 b041 e6e9 58 cf', // the handler prints an A on the debug console
    ],
    sees: [/^IO out 0xe9 1x1 41$/, ...(isPvm ? [] : [/^IRQ_WINDOW_OPEN$/])], // an emulator of ring 0 has no such exit
    value: 5,
    debugcon: 'A',
  },
];

function machineWith({ mode, irqchip, code, lines }: Code): Machine {
  const machine = Machine.create({ memory: 2 ** 21, irqchip });
  const bytes = hex(code);
  const at = mode === 'real' ? LOW_CODE : CODE;
  machine.memory.write(at, bytes);
  const cs = mode === 'real' ? { cs: { selector: 0, base: 0 } } : {};
  machine.setBoot({ mode, rip: BigInt(at), ...cs }, [{ base: at, size: bytes.length }]);
  if (lines !== undefined) machine.lines.levels = lines;
  return machine;
}

describeKvm('checkpoints exactly on an exit', () => {
  it.each(CODES)('$name', (code) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const subject = { name: code.name, machine: () => machineWith(code) };
    const whole = undisturbed(subject);
    const { exits, end, value, serial, debugcon } = whole.passage;
    expect({ end, value, serial, debugcon }).toEqual({
      end: 'exit-port',
      value: code.value,
      serial: code.serial ?? '',
      debugcon: code.debugcon ?? '',
    });
    for (const pattern of code.sees) expect(exits.join('\n')).toMatch(new RegExp(pattern.source, 'm'));
    const every = Array.from({ length: exits.length - 1 }, (_, i) => i + 1);
    expectFidelity(store, interrupted(subject, whole, store, every));
  });
});
