/**
 * The BIOS in ROM: a page of real-mode code. Interrupts that need no host (the timer's) are served there; for all others a
 * stub pushes its vector and writes to {@link BIOS_PORT}. The host then serves the call, and the stub returns with IRET, so
 * flags for the caller are those in its stack frame. Each instruction stands here beside its bytes.
 */
import { BIOS_PORT } from '../devices/bios-port.ts';
import { ROM, VECTORS } from './layout.ts';

/** An instruction: as GNU as reads it, and its bytes. */
export type Line = readonly [text: string, ...bytes: number[]];

/** Code at an offset in segment F000. */
export interface Routine {
  readonly at: number;
  readonly lines: readonly Line[];
}

const STUB_BYTES = 5;

/** Offsets of the routines behind the stubs, in segment F000. */
const AT = {
  SERVICE: 0xf500,
  TIMER: 0xf520,
  KEYBOARD: 0xf560,
  IRQ_MASTER: 0xf590,
  IRQ_SLAVE: 0xf5a0,
  IGNORE: 0xf5b8,
  RESET: 0xfff0,
} as const;

const EOI = 0x20;
const OUT_BIOS: Line = [`outb %al, $${BIOS_PORT}`, 0xe6, BIOS_PORT];
const OUT_MASTER: Line = ['outb %al, $0x20', 0xe6, 0x20];
const LOAD_EOI: Line = ['movb $0x20, %al', 0xb0, EOI];
const DROP_VECTOR: Line = ['addw $2, %sp', 0x83, 0xc4, 0x02];
const IRET: Line = ['iret', 0xcf];

/**
 * Calls the host with interrupts on, as the services of a PC do: a program that calls with interrupts off, and asks for a
 * key again and again, gets keys only by those that come in here. Carry: the call has to wait, so it is made again, at once
 * if zero is set, too. Otherwise the host looks once more with interrupts off until HLT, so that none is missed between.
 */
const SERVICE: Routine = {
  at: AT.SERVICE,
  lines: [
    ['service: sti', 0xfb],
    OUT_BIOS,
    ['jc 1f', 0x72, 0x04],
    DROP_VECTOR,
    IRET,
    ['1: jz service', 0x74, 0xf5],
    ['cli', 0xfa],
    OUT_BIOS,
    ['jc 2f', 0x72, 0x04],
    DROP_VECTOR,
    IRET,
    ['2: jz service', 0x74, 0xea],
    ['sti', 0xfb],
    ['hlt', 0xf4],
    ['jmp service', 0xeb, 0xe6],
  ],
};

/** IRQ 0: counts ticks in the BIOS data area, from midnight to midnight, and lets the program count, too (INT 1Ch). */
const TIMER: Routine = {
  at: AT.TIMER,
  lines: [
    ['pushw %ds', 0x1e],
    ['pushw %ax', 0x50],
    ['pushw %dx', 0x52],
    ['xorw %ax, %ax', 0x31, 0xc0],
    ['movw %ax, %ds', 0x8e, 0xd8],
    ['incw 0x46c', 0xff, 0x06, 0x6c, 0x04],
    ['jnz 1f', 0x75, 0x04],
    ['incw 0x46e', 0xff, 0x06, 0x6e, 0x04],
    ['1: cmpw $0x18, 0x46e', 0x83, 0x3e, 0x6e, 0x04, 0x18],
    ['jb 2f', 0x72, 0x12],
    ['cmpw $0xb0, 0x46c', 0x81, 0x3e, 0x6c, 0x04, 0xb0, 0x00],
    ['jb 2f', 0x72, 0x0a],
    ['movw %ax, 0x46c', 0xa3, 0x6c, 0x04],
    ['movw %ax, 0x46e', 0xa3, 0x6e, 0x04],
    ['incb 0x470', 0xfe, 0x06, 0x70, 0x04],
    ['2: int $0x1c', 0xcd, 0x1c],
    ['cli', 0xfa],
    LOAD_EOI,
    OUT_MASTER,
    ['popw %dx', 0x5a],
    ['popw %ax', 0x58],
    ['popw %ds', 0x1f],
    IRET,
  ],
};

/** IRQ 1: reads the scan code, offers it to the program (INT 15h AH=4Fh), and lets the host put the key into the buffer. */
const KEYBOARD: Routine = {
  at: AT.KEYBOARD,
  lines: [
    ['pushw %ax', 0x50],
    ['inb $0x60, %al', 0xe4, 0x60],
    ['movb $0x4f, %ah', 0xb4, 0x4f],
    ['stc', 0xf9],
    ['int $0x15', 0xcd, 0x15],
    ['cli', 0xfa],
    ['jnc 1f', 0x73, 0x07],
    ['pushw $9', 0x6a, 0x09],
    OUT_BIOS,
    DROP_VECTOR,
    ['1: movb $0x20, %al', 0xb0, EOI],
    OUT_MASTER,
    ['popw %ax', 0x58],
    IRET,
  ],
};

/** An interrupt of the first controller that no program has taken. */
const IRQ_MASTER: Routine = {
  at: AT.IRQ_MASTER,
  lines: [OUT_BIOS, ['pushw %ax', 0x50], LOAD_EOI, OUT_MASTER, ['popw %ax', 0x58], DROP_VECTOR, IRET],
};

/** An interrupt of the second controller: both get their end of interrupt. */
const IRQ_SLAVE: Routine = {
  at: AT.IRQ_SLAVE,
  lines: [
    OUT_BIOS,
    ['pushw %ax', 0x50],
    LOAD_EOI,
    ['outb %al, $0xa0', 0xe6, 0xa0],
    OUT_MASTER,
    ['popw %ax', 0x58],
    DROP_VECTOR,
    IRET,
  ],
};

const IGNORE: Routine = { at: AT.IGNORE, lines: [IRET] };

/** Where a processor starts after a reset. */
const RESET: Routine = { at: AT.RESET, lines: [['int $0x19', 0xcd, 0x19]] };

const FIRST_MASTER_IRQ = 0x08;
const FIRST_SLAVE_IRQ = 0x70;
const isMasterIrq = (vector: number) => vector >= FIRST_MASTER_IRQ && vector < FIRST_MASTER_IRQ + 8;
const isSlaveIrq = (vector: number) => vector >= FIRST_SLAVE_IRQ && vector < FIRST_SLAVE_IRQ + 8;

const targetOf = (vector: number): number =>
  isMasterIrq(vector) ? AT.IRQ_MASTER : isSlaveIrq(vector) ? AT.IRQ_SLAVE : AT.SERVICE;

/** Pushes the vector and goes on to what serves it. */
function stub(vector: number): Routine {
  const at = ROM.OFFSET + vector * STUB_BYTES;
  const distance = (targetOf(vector) - at - STUB_BYTES) & 0xffff;
  return {
    at,
    lines: [
      [`pushw $${(vector << 24) >> 24}`, 0x6a, vector],
      [`.byte 0xe9; .word ${distance}`, 0xe9, distance & 0xff, distance >> 8],
    ],
  };
}

/** All code in ROM. */
export const ROUTINES: readonly Routine[] = [
  ...Array.from({ length: VECTORS.COUNT }, (_, vector) => stub(vector)),
  SERVICE,
  TIMER,
  KEYBOARD,
  IRQ_MASTER,
  IRQ_SLAVE,
  IGNORE,
  RESET,
];

/** What INT 15h AH=C0h points to: length, model AT, submodel, revision, and features: two 8259s, a clock, INT 15h AH=4Fh. */
const CONFIGURATION = { at: 0xf5c0, bytes: [8, 0, 0xfc, 0x00, 0x01, 0x70, 0, 0, 0, 0] } as const;
/** What vector 1Eh points to: times of a drive of 1.44 MB, 512 bytes a sector, 18 sectors a track. */
const DISKETTE = { at: 0xf5d0, bytes: [0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08] } as const;
/** The date of the BIOS, where programs look for one, and the model: an AT. */
const DATE = { at: 0xfff5, bytes: [...Buffer.from('01/01/26'), 0x00, 0xfc] } as const;

/** Offset of the system configuration table, in segment F000. */
export const CONFIGURATION_OFFSET = CONFIGURATION.at;
/** Offset of the diskette parameter table, in segment F000. */
export const DISKETTE_OFFSET = DISKETTE.at;

/** The page as bytes. */
export function romBytes(): Uint8Array {
  const page = new Uint8Array(ROM.BYTES);
  for (const { at, lines } of ROUTINES)
    page.set(
      lines.flatMap(([, ...bytes]) => bytes),
      at - ROM.OFFSET,
    );
  for (const { at, bytes } of [CONFIGURATION, DISKETTE, DATE]) page.set(bytes, at - ROM.OFFSET);
  return page;
}

/** Vectors that do not lead to their own stub: offset in segment F000; 0 is no pointer. */
const ELSEWHERE: Readonly<Record<number, number>> = {
  8: AT.TIMER,
  9: AT.KEYBOARD,
  27: AT.IGNORE, // 1Bh: Ctrl-Break
  28: AT.IGNORE, // 1Ch: the program's timer
  30: DISKETTE.at, // 1Eh
};

/** Vectors that are pointers to tables this BIOS does not have: video parameters, fonts, disk parameters. */
const NO_TABLE: ReadonlySet<number> = new Set([0x1d, 0x1f, 0x41, 0x43, 0x46]);

/** The interrupt vectors as bytes. */
export function vectorBytes(): Uint8Array {
  const table = new Uint16Array(VECTORS.COUNT * 2);
  for (let vector = 0; vector < VECTORS.COUNT; vector++) {
    if (NO_TABLE.has(vector)) continue;
    table[2 * vector] = ELSEWHERE[vector] ?? ROM.OFFSET + vector * STUB_BYTES;
    table[2 * vector + 1] = ROM.SEGMENT;
  }
  return new Uint8Array(table.buffer);
}
