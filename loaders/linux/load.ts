/**
 * Linux, through the 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): long mode with
 * identity-mapped pages, rsi = boot_params. A bzImage is entered 0x200 bytes into its protected-mode part; an ELF vmlinux at
 * e_entry. By the 32-bit protocol a bzImage is entered at its first byte, in protected mode without paging.
 */
import { bytesOf } from '../../src/abi/struct.ts';
import { findRoom } from '../arrange.ts';
import { alignUp, hex, MIB, size as sizeText } from '../bytes.ts';
import { isElf } from '../elf/header.ts';
import { entryOf, openElf } from '../elf/open.ts';
import { type GuestImage, type LoadOptions, pointerTo, type Reservation, type Segment } from '../image.ts';
import { refusal } from '../refuse.ts';
import { bootParams } from './boot-params.ts';
import { bad, kernelAt, nameOf, OLD_CMDLINE_MAX, openBzImage } from './bz-image.ts';
import { loadLinux16 } from './real-mode.ts';
import {
  BOOT_FLAG,
  BOOT_PARAMS,
  type BootParams,
  HEADER_AT,
  HEADER_END,
  HEADER_MAGIC,
  LOADFLAG_LOADED_HIGH,
  MIN_VERSION,
  XLF_KERNEL_64,
} from './setup-header.ts';

const ENTRY_64 = 0x200;
const CURE_16 = 'start it as a BIOS does, with --format linux16';
/** An ELF vmlinux has no setup header: these are what kernels assume. */
const VMLINUX = { initrdMax: 0x37ff_ffff, cmdlineMax: 2047, alignment: 0x100_0000 } as const;

/** Plans a bzImage or an ELF vmlinux. Throws LoadError. */
function loadLinux(bytes: Uint8Array, options: LoadOptions): GuestImage {
  return isElf(bytes) ? loadVmlinux(bytes, options) : loadBzImage(bytes, options);
}

function loadVmlinux(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const open = openElf(bytes, options);
  if (open.elf.bits !== 64)
    throw refusal('LINUX', {
      field: 'ELF header: EI_CLASS',
      at: 4,
      found: '1 (32-bit)',
      expected: '2 (64-bit)',
      cure: 'a 32-bit kernel can only start through a PVH note (--format elf-pvh): use a 64-bit one',
    });
  const notes = [...open.notes];
  const entry = entryOf(open, notes);
  const params = BOOT_PARAMS.alloc();
  params.boot_flag = BOOT_FLAG;
  params.header = HEADER_MAGIC;
  params.version = MIN_VERSION;
  params.loadflags = LOADFLAG_LOADED_HIGH;
  params.kernel_alignment = VMLINUX.alignment;
  params.xloadflags = XLF_KERNEL_64;
  params.initrd_addr_max = VMLINUX.initrdMax;
  params.cmdline_size = VMLINUX.cmdlineMax;
  const { segments } = open.plan;
  return {
    format: 'linux',
    description: `Linux vmlinux: ${open.description}`,
    ...started([...segments], [], entry, { ...VMLINUX, header: bytesOf(params).slice(HEADER_AT, HEADER_END) }, options),
    get symbols() {
      return open.symbols();
    },
    physical: open.physical,
    notes,
  };
}

/** Adds boot_params and what belongs to it, and the entry state that Linux expects. */
function started(
  kernel: readonly Segment[],
  reserved: readonly Reservation[],
  entry: number,
  about: { readonly header: Uint8Array; readonly initrdMax: number; readonly cmdlineMax: number },
  options: LoadOptions,
): Pick<GuestImage, 'segments' | 'reserved' | 'entry' | 'acpi'> {
  const extra = bootParams({ ...about, headerAt: HEADER_AT, taken: [...kernel, ...reserved] }, options);
  return {
    segments: [...kernel, ...extra],
    reserved,
    entry: { mode: 'long', rip: BigInt(entry), regs: { rsi: BigInt(extra[0].gpa) } },
    acpi: (rsdp) => [pointerTo(rsdp, extra[0].gpa + BOOT_PARAMS.fields.acpi_rsdp_addr[0])],
  };
}

/** Plans a bzImage for its 32-bit entry. Throws LoadError. */
function loadLinux32(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const { image, gpa, description } = placedBzImage(bytes, ENTRIES[32], options);
  return { ...image, format: 'linux32', description, entry: { ...image.entry, mode: 'protected', rip: BigInt(gpa) } };
}

function loadBzImage(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const { image, description } = placedBzImage(bytes, ENTRIES[64], options);
  return { ...image, description };
}

/** What the two protected-mode protocols ask of a kernel. */
const ENTRIES = {
  32: { minVersion: 0x0206, has64: false, since: '2.6, Linux 2.6.22' },
  64: { minVersion: MIN_VERSION, has64: true, since: '2.12, Linux 3.8' },
} as const;

/** A bzImage in memory, to be entered in long mode. */
function placedBzImage(
  bytes: Uint8Array,
  { minVersion, since, has64 }: (typeof ENTRIES)[32 | 64],
  options: LoadOptions,
) {
  const { header, payload, headerBytes } = openBzImage(bytes);
  if (header.version < minVersion)
    throw bad('version', 0x206, header.version, `at least ${hex(minVersion)} (${since})`, CURE_16);
  if (has64 && !(header.xloadflags & XLF_KERNEL_64))
    throw bad(
      'xloadflags',
      0x236,
      header.xloadflags,
      'XLF_KERNEL_64 (bit 0)',
      'this is a 32-bit kernel: --format linux16 or linux32',
    );
  if (header.code32_start === 0)
    throw bad('code32_start', 0x214, 0, 'an address', `this starts in real mode only: ${CURE_16}`);
  const notes: string[] = [];
  const needed = Math.max(payload.length, header.init_size);
  const gpa = kernelAddress(header, needed, options, notes);
  const { kernel, rest } = kernelAt(gpa, payload, header.init_size);
  header.code32_start = gpa;
  const about = {
    header: headerBytes,
    initrdMax: header.initrd_addr_max || VMLINUX.initrdMax,
    cmdlineMax: header.cmdline_size || OLD_CMDLINE_MAX,
  };
  const image = {
    format: 'linux' as const,
    ...started([kernel], rest, gpa + ENTRY_64, about, options),
    symbols: [],
    notes,
  };
  return { image, gpa, description: `${nameOf(header)}, ${sizeText(payload.length)} at ${hex(gpa)}` };
}

/** pref_address when RAM is there, else, for a relocatable kernel, the first aligned address from 1 MiB. */
function kernelAddress(header: BootParams, needed: number, options: LoadOptions, notes: string[]): number {
  const preferred = Number(header.pref_address) || MIB;
  const request = { name: 'Linux kernel', size: needed, align: 1, from: preferred };
  if (findRoom(options.memoryMap, [], { ...request, to: preferred + needed }) === preferred) return preferred;
  const align = header.kernel_alignment;
  if (header.relocatable_kernel && align > 0 && (align & (align - 1)) === 0) {
    const moved = findRoom(options.memoryMap, [], { ...request, align: Math.max(align, 4096), from: MIB });
    if (moved !== undefined) {
      notes.push(`relocatable: loaded at ${hex(moved)} instead of ${hex(preferred)}, where it does not fit`);
      return moved;
    }
  }
  const base = header.relocatable_kernel ? Math.min(preferred, alignUp(MIB, Math.max(align, 4096))) : preferred;
  throw refusal('NO_ROOM', {
    field: 'Linux kernel: init_size',
    at: 0x260,
    found: `${sizeText(needed)} at ${hex(preferred)}`,
    expected: 'RAM',
    cure: `give the guest at least ${Math.ceil((base + needed) / MIB)} MiB with --mem`,
  });
}

/** Linux by its three entries. */
export const LINUX = { linux: loadLinux, linux32: loadLinux32, linux16: loadLinux16 } as const;
