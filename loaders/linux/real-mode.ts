/**
 * Linux through the 16-bit boot protocol (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" to "Running the
 * Kernel"), as the loaders of a BIOS do it: the setup code lies in low memory and is entered in real mode; it asks the BIOS for
 * memory and screen, and goes to protected mode itself. So start 32-bit kernels, and programs in a kernel's clothes that need
 * a BIOS: iPXE, memdisk.
 */
import { BOOT_SECTOR, EBDA } from '../../src/bios/layout.ts';
import { started, withBios } from '../bios.ts';
import { hex, MIB, size as sizeText } from '../bytes.ts';
import type { GuestImage, LoadOptions, Segment } from '../image.ts';
import { commandLine, nameInitrd, placeInitrd } from './boot-params.ts';
import { bad, kernelAt, nameOf, OLD_CMDLINE_MAX, openBzImage } from './bz-image.ts';
import { BOOT_PARAMS, LOADER_UNDEFINED, LOADFLAG_CAN_USE_HEAP } from './setup-header.ts';

/**
 * The segment where loaders put the setup code, and offsets in it: of its entry, of its end and the heap's beginning, of the
 * stack's end, of the command line.
 */
const SEGMENT = 0x9000;
const ENTRY = 0x200;
const SETUP_END = 0x8000;
const HEAP_END = 0xe000;
const CMDLINE = HEAP_END;
/** Bytes before the BIOS's data, less the NUL. */
const CMDLINE_ROOM = EBDA.BASE - (SEGMENT << 4) - CMDLINE - 1;
/** heap_end_ptr counts from the entry. */
const HEAP_END_PTR = HEAP_END - ENTRY;
const KERNEL = MIB;
/** First protocol version with cmd_line_ptr: 2.02, Linux 2.4. */
const MIN_VERSION = 0x0202;
const OLD_INITRD_MAX = 0x37ff_ffff;
const FIRST_HARD_DISK = 0x80;

/** Plans a bzImage for its real-mode entry. Throws LoadError. */
export function loadLinux16(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const { header, setup, payload } = openBzImage(bytes);
  if (header.version < MIN_VERSION)
    throw bad('version', 0x206, header.version, `at least ${hex(MIN_VERSION)} (2.2, Linux 2.4)`, 'use a newer kernel');
  if (setup.length > SETUP_END)
    throw bad(
      'setup_sects',
      0x1f1,
      header.setup_sects,
      `at most ${SETUP_END / 512 - 1}`,
      'the file is damaged: copy it again',
    );
  const base = SEGMENT << 4;
  const limits = {
    initrdMax: header.initrd_addr_max || OLD_INITRD_MAX,
    cmdlineMax: Math.min(header.cmdline_size || OLD_CMDLINE_MAX, CMDLINE_ROOM),
  };
  const cmdline = commandLine(limits, options);
  const { kernel, rest } = kernelAt(KERNEL, payload, header.init_size);
  const initrd = placeInitrd({ ...limits, taken: [kernel, ...rest] }, options);
  const code = new Uint8Array(Math.max(setup.length, BOOT_PARAMS.size));
  code.set(setup);
  const told = BOOT_PARAMS.over(code);
  told.type_of_loader = LOADER_UNDEFINED;
  told.loadflags |= LOADFLAG_CAN_USE_HEAP;
  told.heap_end_ptr = HEAP_END_PTR;
  told.cmd_line_ptr = base + CMDLINE;
  nameInitrd(told, initrd);
  const own: Segment[] = [
    { gpa: BOOT_SECTOR, bytes: JUMP, memSize: JUMP.length, name: 'jump to the setup code' },
    { gpa: base, bytes: code.subarray(0, setup.length), memSize: setup.length, name: 'boot sector and setup code' },
    { gpa: base + CMDLINE, bytes: cmdline, memSize: cmdline.length, name: 'command line' },
    kernel,
    ...initrd,
  ];
  return {
    format: 'linux16',
    description: `${nameOf(header)}, started in real mode, ${sizeText(payload.length)} at ${hex(KERNEL)}`,
    segments: withBios(own, []),
    reserved: rest,
    entry: started(BOOT_SECTOR, FIRST_HARD_DISK),
    symbols: [],
    notes: [],
  };
}

const low = (value: number) => value & 0xff;
const high = (value: number) => value >> 8;

/** cli; every data segment is the setup code's; a stack at the heap's end; a far jump to the entry. As in boot.rst. */
const JUMP = Uint8Array.of(
  ...[0xfa, 0xb8, low(SEGMENT), high(SEGMENT)], // cli; mov $SEGMENT, %ax
  ...[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0x8e, 0xd0], // mov %ax, %ds, %es, %fs, %gs, %ss
  ...[0xbc, low(HEAP_END), high(HEAP_END)], // mov $HEAP_END, %sp
  ...[0xea, 0, 0, low(SEGMENT + (ENTRY >> 4)), high(SEGMENT + (ENTRY >> 4))], // ljmp $SEGMENT + 0x20, $0
);
