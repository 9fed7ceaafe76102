/**
 * The contract between guests and host: every number and name that both sides must agree on, once.
 * `npm run build` writes it as `build/contract.h`, which every guest includes.
 *
 * Ports and codes that hardware fixes for everybody (PIC, PIT, APIC registers) are not here: they live in
 * `runtime/`, next to the code that uses them.
 */

/** I/O ports that a guest may expect the host to answer. */
export const PORTS = {
  /** 16550 UART, eight ports, IRQ 4. The guest's standard input and output. */
  SERIAL: 0x3f8,
  /** A byte written here ends the machine; it becomes the exit status. */
  DEBUG_EXIT: 0xf4,
  /** Bytes written here appear on the debug console. Reading answers 0xe9. */
  DEBUGCON: 0xe9,
  /** POST code port: takes a byte, does nothing. Guests mark their rounds here. */
  POST: 0x80,
  /** Firmware configuration: 16-bit selector. */
  FW_CFG_SELECTOR: 0x510,
  /** Firmware configuration: data, one byte per read. */
  FW_CFG_DATA: 0x511,
  /** Keyboard controller data port: a key's scan code, set 1. IRQ 1. */
  I8042_DATA: 0x60,
  /** Keyboard controller command port; RESET_I8042 written here resets the machine. */
  I8042_COMMAND: 0x64,
  /** System control port A: bit 0 resets the machine. */
  SYSTEM_CONTROL_A: 0x92,
  /** ACPI PM1a control as QEMU's q35 has it: POWEROFF_ACPI written here (16 bits) powers off. */
  POWEROFF: 0x604,
  /** A port that nothing claims: reads give all ones, writes vanish. */
  UNCLAIMED: 0x9a00,
} as const;

/** What a guest writes to {@link PORTS.DEBUG_EXIT}. */
export const EXIT_CODES = {
  OK: 0x00,
  /** Plus the vector: an exception that the guest did not expect (0x40 … 0x5f). */
  EXCEPTION: 0x40,
  /** The guest found something that must not be; it said what on the serial port. */
  PANIC: 0x60,
} as const;

/** Commands for the ports above. */
export const COMMANDS = {
  RESET_I8042: 0xfe,
  RESET_PORT_A: 0x01,
  /** SLP_EN with sleep type 0. */
  POWEROFF_ACPI: 0x2000,
  /** fw_cfg keys: the signature "QEMU" (4 bytes), and the number of CPUs (16 bits, little-endian). */
  FW_CFG_SIGNATURE: 0x00,
  FW_CFG_CPUS: 0x05,
} as const;

/** Guest-physical addresses, in bytes. */
export const MEMORY = {
  /** [BOOT_TABLES, BOOT_TABLES_END) belongs to the host until the guest has loaded its own tables and GDT. */
  BOOT_TABLES: 0x1000,
  BOOT_TABLES_END: 0x8000,
  /** Where a boot sector is put. */
  BOOT_SECTOR: 0x7c00,
  /** Page that application processors start in (SIPI vector = address >> 12). */
  AP_TRAMPOLINE: 0x8000,
  /** Where flat images are put when nothing else asks for an address. */
  FLAT: 0x10000,
  /** The VGA's text screen in colour: 80 columns, 25 rows, two bytes for each character. */
  TEXT_SCREEN: 0xb8000,
  /** With irqchip, in long and protected mode: 16 bytes that are another number after a restore or fork; 0 before. */
  GENERATION: 0xef000,
  /** ELF guests are linked here. */
  KERNEL: 0x100000,
  /** What ring 3 may touch starts here: its code, data and stack. */
  USER: 0x200000,
  /** The writers' pages start here. */
  WRITE_AREA: 0x400000,
  /** No RAM and no device: in the hole below 4 GiB. */
  MMIO_NOWHERE: 0xd0000000,
} as const;

/** Interrupt vectors. */
export const VECTORS = {
  /** IRQ 0 … 15 of the two PICs follow each other from here. */
  IRQ_BASE: 0x20,
  /** IRQ 1: the keyboard. */
  KEYBOARD: 0x21,
  /** IRQ 4: the serial port. Also the vector to inject into a machine without interrupt controllers. */
  SERIAL: 0x24,
  LAPIC_TIMER: 0x40,
  DISK: 0x41,
  LAPIC_SPURIOUS: 0x4f,
  /** Number of vectors that the runtime's IDT has. */
  COUNT: 0x50,
} as const;

/** Values that identify things. */
export const MAGIC = {
  /** EAX at the entry of a multiboot 1 kernel. */
  MULTIBOOT1_LOADER: 0x2badb002,
  /** EAX at the entry of a multiboot 2 kernel. */
  MULTIBOOT2_LOADER: 0x36d76289,
  /** First word of the hvm_start_info that EBX points to at a PVH entry. */
  PVH_START_INFO: 0x336ec578,
  /** Ends the echo guests: Ctrl-D. */
  END_OF_INPUT: 0x04,
} as const;

/** Sizes and limits of the runtime. */
export const LIMITS = {
  PAGE_SIZE: 4096,
  MAX_CPUS: 16,
  /** Bytes of identity-mapped memory; a writer that is sent beyond maps more, up to MAX_MAPPED_GIB. */
  MAPPED_GIB: 4,
  MAX_MAPPED_GIB: 16,
  /** Bytes that one line of the rep-outs guest has, newline included, and how many lines it writes by default. */
  REP_OUTS_LINE: 64,
  REP_OUTS_LINES: 16384,
} as const;

/**
 * Named 64-bit globals, little-endian, that a host may read in a running guest's memory (by ELF symbol). A guest has
 * only those it needs. `checksum_position` is an array, one word for each processor.
 */
export const COUNTERS = [
  'timer_ticks',
  'echo_bytes',
  'interrupt_count',
  'smp_online',
  'compute_round',
  'compute_hash',
  'writer_rounds',
  'writer_writes',
  'stamp_iteration',
  'edge_steps',
  'checksum_position',
  'ring3_steps',
  'log_files',
  'log_rounds',
] as const;

/** Name of a counter that a guest may have. */
export type CounterName = (typeof COUNTERS)[number];

/**
 * Named 64-bit globals that a host may set in the image before the guest starts (see symbols.ts). A guest has only
 * those it needs; each has a default.
 */
export const PARAMETERS = [
  /** Guest-physical address of the first page that a writer touches. */
  'param_base',
  /** Size, in pages, of the area that a writer touches. */
  'param_span',
  /** Pages written per round (memory writers) or iteration (stamp). */
  'param_pages',
  /** Distance in pages between two pages of a round; 0: seeded random pages. */
  'param_stride',
  /** 64-bit words written per page, 1 … 512. */
  'param_words',
  /** Rounds until the guest ends; 0: never. */
  'param_rounds',
  /** Seed of the pattern. */
  'param_seed',
  /** PAUSE instructions between two rounds. */
  'param_delay',
  /** A number in what the disk log writes, to tell one course of events from another. */
  'param_salt',
  /** Not 0: the low byte of the round goes to the POST port after every round. */
  'param_notify',
  /** Loop count of the port and serial benchmarks. */
  'param_count',
  /** Port of the port benchmark. */
  'param_port',
  /** Timer interrupts until the guest ends. */
  'param_ticks',
  /** Interrupts per second. */
  'param_hz',
] as const;

/** Name of a parameter that a guest may have. */
export type ParameterName = (typeof PARAMETERS)[number];

const TABLES = {
  PORT: PORTS,
  EXIT: EXIT_CODES,
  COMMAND: COMMANDS,
  MEMORY,
  VECTOR: VECTORS,
  MAGIC,
  LIMIT: LIMITS,
} as const satisfies Record<string, Record<string, number>>;

/** The contract as C preprocessor definitions: PORT_SERIAL, EXIT_OK, … usable from C and assembly alike. */
export function contractHeader(): string {
  const lines = Object.entries(TABLES).flatMap(([prefix, table]) => [
    '',
    ...Object.entries(table).map(([name, value]) => `#define ${prefix}_${name} 0x${value.toString(16)}`),
  ]);
  return `/* Generated from contract.ts. */\n#pragma once\n${lines.join('\n')}\n`;
}
