/** INT 11h, 12h and 15h: the machine, its memory, and time to wait. */
import { hex } from '../../abi/numbers.ts';
import type { BiosCall } from '../call.ts';
import { BDA, EBDA, ROM } from '../layout.ts';
import { CONFIGURATION_OFFSET } from '../rom.ts';
import { byFunction, type Interrupt, type Outcome } from '../service.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const FOUR_GIB = 2 ** 32;
/** "SMAP", as the characters of a number. */
const SMAP = 0x534d_4150;
const MAP_ENTRY_BYTES = 20;
/** Ticks come every 55 ms: what is shorter is not worth a sleep. */
const TICK_MS = 55;

/** RAM from 1 MiB up to the first hole, in bytes. */
const extended = ({ memory }: BiosCall): number => Math.max(0, memory.ranges[0]!.size - MIB);

function memoryMap(call: BiosCall): void {
  const map = call.memory.memoryMap;
  const entry = map[call.b.e];
  if (call.d.e !== SMAP || !entry || call.c.e < MAP_ENTRY_BYTES) {
    call.failUnserved();
    return;
  }
  const at = call.es(call.di.x);
  const words = [
    entry.base % FOUR_GIB,
    entry.base / FOUR_GIB,
    entry.size % FOUR_GIB,
    entry.size / FOUR_GIB,
    entry.type,
  ];
  words.forEach((word, i) => {
    call.setDword(at + 4 * i, Math.floor(word));
  });
  call.a.e = SMAP;
  call.c.e = MAP_ENTRY_BYTES;
  call.b.e = call.b.e + 1 < map.length ? call.b.e + 1 : 0;
  call.carry = false;
}

function extendedInTwoParts(call: BiosCall): void {
  const low = Math.min(extended(call), 15 * MIB) / KIB;
  const high = Math.max(0, extended(call) - 15 * MIB) / (64 * KIB);
  call.a.x = low;
  call.c.x = low;
  call.b.x = Math.min(Math.floor(high), 0xffff);
  call.d.x = call.b.x;
  call.carry = false;
}

function extendedKib(call: BiosCall): void {
  call.a.x = Math.min(extended(call), 63 * MIB) / KIB;
  call.carry = false;
}

/** Source and destination are descriptors in a table at ES:SI; CX words. */
function moveBlock(call: BiosCall): void {
  const table = call.es(call.si.x);
  const base = (at: number) => (call.dword(at + 2) & 0xff_ffff) + call.byte(at + 7) * 2 ** 24;
  const [from, to, length] = [base(table + 0x10), base(table + 0x18), call.c.x * 2];
  if (!call.memory.find(from, length) || !call.memory.find(to, length)) {
    call.host.note('move', `INT 15h AH=87h: ${length} bytes from ${hex(from)} to ${hex(to)} are not all in RAM`);
    call.fail(0x02);
    return;
  }
  call.memory.write(to, call.memory.read(from, length));
  call.succeed();
}

/** CX:DX microseconds. The end of the wait lies in guest memory, since the call is made again and again. */
function wait(call: BiosCall): Outcome {
  const now = call.host.now();
  let until = Number(call.memory.readUint(EBDA.WAIT_UNTIL, 8));
  if (until === 0) {
    until = Math.ceil(now + (call.c.x * 0x1_0000 + call.d.x) / 1000);
    call.memory.write(EBDA.WAIT_UNTIL, new Uint8Array(BigUint64Array.of(BigInt(until)).buffer));
  }
  if (now < until) return until - now > TICK_MS ? 'wait' : 'again';
  call.memory.write(EBDA.WAIT_UNTIL, new Uint8Array(8));
  call.succeed();
  return undefined;
}

function configuration(call: BiosCall): void {
  call.setEs(ROM.SEGMENT);
  call.b.x = CONFIGURATION_OFFSET;
  call.succeed();
}

function extendedDataArea(call: BiosCall): void {
  call.setEs(call.word(BDA.EBDA_SEGMENT));
  call.carry = false;
}

function closeA20(call: BiosCall): void {
  call.host.note(
    'a20',
    'INT 15h AX=2400h: address line 20 is always on in this machine: addresses do not wrap at 1 MiB',
  );
  call.failUnserved();
}

function a20Status(call: BiosCall): void {
  call.succeed();
  call.a.l = 1;
}

/** AL bits: by the keyboard controller, by port 92h. */
function a20Ways(call: BiosCall): void {
  call.succeed();
  call.b.x = 3;
}

/** INT 11h. */
export const EQUIPMENT: Interrupt = {
  services: {
    name: 'equipment',
    run(call) {
      call.a.x = call.word(BDA.EQUIPMENT);
    },
  },
};

/** INT 12h. */
export const BASE_MEMORY: Interrupt = {
  services: {
    name: 'memory below 640 KiB',
    run(call) {
      call.a.x = call.word(BDA.BASE_KIB);
    },
  },
};

/** INT 15h. */
export const SYSTEM: Interrupt = {
  services: byFunction([
    [0x2400, 'close A20', closeA20],
    [0x2401, 'open A20', (call) => call.succeed()],
    [0x2402, 'A20 status', a20Status],
    [0x2403, 'ways to A20', a20Ways],
    [0x4f, 'offer a key', () => {}],
    [0x86, 'wait', wait],
    [0x87, 'move block', moveBlock],
    [0x88, 'memory above 1 MiB', extendedKib],
    [0x90, 'device waits', (call) => call.succeed()],
    [0x91, 'device is done', (call) => call.succeed()],
    [0xc0, 'configuration', configuration],
    [0xc1, 'extended BIOS data', extendedDataArea],
    [0xe801, 'memory above 1 MiB and 16 MiB', extendedInTwoParts],
    [0xe820, 'memory map', memoryMap],
    [0xec00, 'long mode is coming', (call) => call.succeed()],
  ]),
  absent: [
    [0x53, 'this machine has no APM'],
    [0xc2, 'this machine has no mouse'],
    [0xd8, 'this machine has no EISA slots'],
    [0xe881, 'ask with AX=E820h or E801h'],
  ],
};
