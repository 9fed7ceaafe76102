/** What Linux gets: boot_params with the memory map, the command line, and the initial RAM disk. */
import { bytesOf } from '../../src/abi/struct.ts';
import { endOf, informationRoom, LOW_AREA, room, usableRam } from '../arrange.ts';
import { alignUp, cstring, FOUR_GIB, KIB, MIB, PAGE_SIZE } from '../bytes.ts';
import type { LoadOptions, Reservation, Segment } from '../image.ts';
import { refusal } from '../refuse.ts';
import { BOOT_PARAMS, type BootParams, LOADER_UNDEFINED } from './setup-header.ts';

/** A kernel that is placed, and its limits. */
interface LinuxKernel {
  readonly taken: readonly (Segment | Reservation)[];
  /** The setup header as it goes into boot_params at 0x1f1. */
  readonly header: Uint8Array;
  readonly headerAt: number;
  /** Highest address of an initrd's last byte. */
  readonly initrdMax: number;
  /** Longest command line in bytes, without its NUL. */
  readonly cmdlineMax: number;
}

/** Segments for boot_params (first), command line and initrd. Throws LoadError LINUX or NO_ROOM. */
export function bootParams(kernel: LinuxKernel, options: LoadOptions): readonly [Segment, ...Segment[]] {
  const cmdline = commandLine(kernel, options);
  const initrd = placeInitrd(kernel, options);
  const size = PAGE_SIZE + cmdline.length;
  const request = { name: 'boot_params', size, align: PAGE_SIZE };
  // Not just under 640 KiB: there the kernel puts the trampoline that may switch it to other page tables.
  const gpa = informationRoom(options.memoryMap, [...kernel.taken, ...initrd], request, [LOW_AREA]);
  const params = BOOT_PARAMS.alloc();
  const page = bytesOf(params);
  page.set(kernel.header, kernel.headerAt);
  params.type_of_loader = LOADER_UNDEFINED;
  Object.assign(params, TEXT_SCREEN);
  params.vid_mode = 0xffff;
  params.cmd_line_ptr = gpa + PAGE_SIZE;
  nameInitrd(params, initrd);
  fillMap(params, options);
  return [
    { gpa, bytes: page, memSize: PAGE_SIZE, name: 'boot_params' },
    { gpa: gpa + PAGE_SIZE, bytes: cmdline, memSize: cmdline.length, name: 'command line' },
    ...initrd,
  ];
}

/** The command line with its NUL. Throws LoadError LINUX for one that the kernel cannot take. */
export function commandLine({ cmdlineMax }: Pick<LinuxKernel, 'cmdlineMax'>, options: LoadOptions): Uint8Array {
  const cmdline = cstring(options.cmdline ?? '');
  if (cmdline.length - 1 > cmdlineMax)
    throw refusal('LINUX', {
      field: 'command line',
      found: `${cmdline.length - 1} bytes`,
      expected: `at most ${cmdlineMax} bytes, the kernel's cmdline_size`,
      cure: 'shorten --cmdline',
    });
  return cmdline;
}

/** Tells the kernel where its initial RAM disk is, if it has one. */
export function nameInitrd(
  params: Pick<BootParams, 'ramdisk_image' | 'ramdisk_size'>,
  initrd: readonly Segment[],
): void {
  const [first] = initrd;
  const last = initrd.at(-1);
  if (!first || !last) return;
  params.ramdisk_image = first.gpa;
  params.ramdisk_size = last.gpa + last.memSize - first.gpa;
}

/** A VGA in mode 3. Without it the kernel has no console on the display. */
const TEXT_SCREEN = {
  orig_video_mode: 3,
  orig_video_cols: 80,
  orig_video_lines: 25,
  orig_video_isVGA: 1,
  orig_video_points: 16,
} as const;

function fillMap(params: BootParams, { memoryMap }: LoadOptions): void {
  const { e820_table: table } = params;
  if (memoryMap.length > table.length)
    throw refusal('LINUX', {
      field: 'memory map',
      found: `${memoryMap.length} entries`,
      expected: `at most ${table.length}`,
      cure: 'give the guest a simpler memory layout',
    });
  params.e820_entries = memoryMap.length;
  memoryMap.forEach((range, i) => {
    const entry = table.at(i);
    entry.addr = BigInt(range.base);
    entry.size = BigInt(range.size);
    entry.type = range.type;
  });
  const high = usableRam(memoryMap).find((r) => r.base <= MIB && r.base + r.size > MIB);
  params.alt_mem_k = high ? Math.floor((Math.min(high.base + high.size, FOUR_GIB) - MIB) / KIB) : 0;
}

/** cpio archives may follow one another, each at a multiple of 4 bytes. */
const ARCHIVE_ALIGN = 4;

/** All modules as one initial RAM disk, as high as the kernel can reach, so that it is out of its way. */
export function placeInitrd(kernel: Pick<LinuxKernel, 'taken' | 'initrdMax'>, options: LoadOptions): Segment[] {
  const modules = options.modules ?? [];
  if (modules.length === 0) return [];
  const size = modules.reduce((sum, m) => alignUp(sum, ARCHIVE_ALIGN) + m.bytes.length, 0);
  let gpa = room(options.memoryMap, kernel.taken, {
    name: `initial RAM disk ${modules.map((m) => m.name).join(', ')}`,
    size,
    align: PAGE_SIZE,
    from: Math.max(MIB, endOf(kernel.taken)),
    to: Math.min(FOUR_GIB, kernel.initrdMax + 1),
    top: true,
  });
  return modules.map(({ name, bytes }) => {
    gpa = alignUp(gpa, ARCHIVE_ALIGN);
    const segment = { gpa, bytes, memSize: bytes.length, name: `initrd ${name}` };
    gpa += bytes.length;
    return segment;
  });
}
