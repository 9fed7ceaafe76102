/**
 * Where the BIOS keeps things in guest memory: as on an IBM PC (IBM PS/2 and PC BIOS Interface Technical Reference,
 * "Data Areas"). All that it remembers lies there, so that a checkpoint has it.
 */

/** Interrupt vectors: 256 far pointers, offset first. */
export const VECTORS = { BASE: 0, COUNT: 256 } as const;

/** The ROM: the last page below 1 MiB, reached as F000:F000. */
export const ROM = { BASE: 0xf_f000, BYTES: 0x1000, SEGMENT: 0xf000, OFFSET: 0xf000 } as const;

/** The BIOS data area, guest-physical addresses. */
export const BDA = {
  BASE: 0x400,
  BYTES: 0x100,
  /** Ports of four serial ports. */
  SERIAL_PORTS: 0x400,
  /** Segment of the extended data area. */
  EBDA_SEGMENT: 0x40e,
  EQUIPMENT: 0x410,
  /** RAM below the extended data area, in KiB. */
  BASE_KIB: 0x413,
  SHIFT_FLAGS: 0x417,
  SHIFT_FLAGS_2: 0x418,
  /** Head and tail of the keyboard buffer, as offsets from 0x400; and its usual place. */
  KEY_HEAD: 0x41a,
  KEY_TAIL: 0x41c,
  KEY_BUFFER: 0x41e,
  FLOPPY_STATUS: 0x441,
  VIDEO_MODE: 0x449,
  COLUMNS: 0x44a,
  PAGE_BYTES: 0x44c,
  PAGE_START: 0x44e,
  /** Eight words: column, and above it the row. */
  CURSORS: 0x450,
  CURSOR_SHAPE: 0x460,
  PAGE: 0x462,
  CRTC_PORT: 0x463,
  TICKS: 0x46c,
  MIDNIGHT: 0x470,
  RESET_FLAG: 0x472,
  DISK_STATUS: 0x474,
  DISK_COUNT: 0x475,
  /** Offsets from 0x400 of the keyboard buffer's start and end. */
  KEY_BUFFER_START: 0x480,
  KEY_BUFFER_END: 0x482,
  ROWS_LESS_ONE: 0x484,
  CHARACTER_HEIGHT: 0x485,
  VIDEO_CONTROL: 0x487,
  /** Bit 1: the last scan code was E0. Bit 4: an enhanced keyboard. */
  KEYBOARD_STATUS: 0x496,
} as const;

/** The extended data area: its first byte is its size in KiB. */
export const EBDA = {
  BASE: 0x9_fc00,
  KIB: 1,
  /** When a wait of INT 15h AH=86h ends, in milliseconds since 1970, 64 bits; 0 when none is under way. */
  WAIT_UNTIL: 0x9_fc20,
  /** The table of drives: see drives.ts. */
  DRIVES: 0x9_fc40,
} as const;

/** Where the boot sector of a disk goes. */
export const BOOT_SECTOR = 0x7c00;

/** Cells of a colour display in text mode. */
export const COLOUR_TEXT = 0xb_8000;
