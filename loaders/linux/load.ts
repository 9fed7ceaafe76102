/**
 * Linux, through the 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): long mode with
 * identity-mapped pages, rsi = boot_params. A bzImage is entered 0x200 bytes into its protected-mode part; an ELF vmlinux at
 * e_entry.
 */
import { bytesOf } from '../../src/abi/struct.ts';
import { findRoom } from '../arrange.ts';
import { alignUp, hex, MIB, size as sizeText } from '../bytes.ts';
import { isElf } from '../elf/header.ts';
import { entryOf, openElf } from '../elf/open.ts';
import { type GuestImage, type LoadOptions, pointerTo, type Reservation, type Segment } from '../image.ts';
import { refusal } from '../refuse.ts';
import { bootParams } from './boot-params.ts';
import {
  BOOT_FLAG,
  BOOT_PARAMS,
  HEADER_AT,
  HEADER_MAGIC,
  LOADFLAG_LOADED_HIGH,
  MIN_VERSION,
  XLF_KERNEL_64,
} from './setup-header.ts';

const SECTOR = 512;
const ENTRY_64 = 0x200;
/** syssize counts paragraphs. */
const SYSSIZE_UNIT = 16;
/** The setup header never reaches further into boot_params than this. */
const HEADER_LIMIT = 0x290;
/** An ELF vmlinux has no setup header: these are what kernels assume. */
const VMLINUX = { initrdMax: 0x37ff_ffff, cmdlineMax: 2047, alignment: 0x100_0000 } as const;

/** True for a bzImage and everything shaped like one. */
export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_LIMIT) return false;
  const header = setup(bytes);
  return header.boot_flag === BOOT_FLAG && header.header === HEADER_MAGIC;
}

/** The setup header in place, over a copy of the first page (which a short file may not fill). */
function setup(bytes: Uint8Array): ReturnType<typeof BOOT_PARAMS.alloc> {
  const page = new Uint8Array(BOOT_PARAMS.size);
  page.set(bytes.subarray(0, HEADER_LIMIT));
  return BOOT_PARAMS.over(page);
}

/** Plans a bzImage or an ELF vmlinux. Throws LoadError. */
export function loadLinux(bytes: Uint8Array, options: LoadOptions): GuestImage {
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
    ...started([...segments], [], entry, { ...VMLINUX, header: headerOf(params, HEADER_LIMIT) }, options),
    get symbols() {
      return open.symbols();
    },
    physical: open.physical,
    notes,
  };
}

function headerOf(params: ReturnType<typeof BOOT_PARAMS.alloc>, end: number): Uint8Array {
  return bytesOf(params).slice(HEADER_AT, end);
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

function loadBzImage(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const header = checkHeader(bytes);
  const setupBytes = ((header.setup_sects || 4) + 1) * SECTOR;
  const payload = bytes.subarray(setupBytes);
  // syssize is rounded up, and not every tool pads the file to that.
  const least = Math.max(ENTRY_64, (header.syssize - 1) * SYSSIZE_UNIT) + 1;
  if (payload.length < least)
    throw refusal('TRUNCATED', {
      field: 'bzImage: protected-mode kernel',
      at: setupBytes,
      found: `${payload.length} bytes`,
      expected: `at least ${least} (syssize)`,
      cure: 'the file is cut off: copy it again',
    });
  const notes: string[] = [];
  const needed = Math.max(payload.length, header.init_size);
  const gpa = kernelAddress(header, needed, options, notes);
  const kernel: Segment = { gpa, bytes: payload, memSize: payload.length, name: 'Linux kernel (compressed)' };
  const rest: Reservation[] =
    needed > payload.length
      ? [{ gpa: gpa + payload.length, size: needed - payload.length, name: 'room the kernel unpacks into (init_size)' }]
      : [];
  header.code32_start = gpa;
  const about = {
    header: headerOf(header, Math.min(HEADER_LIMIT, 0x202 + header.jump_offset)),
    initrdMax: header.initrd_addr_max || VMLINUX.initrdMax,
    cmdlineMax: header.cmdline_size || 255,
  };
  return {
    format: 'linux',
    description: `Linux bzImage, boot protocol ${header.version >> 8}.${header.version & 0xff}, ${sizeText(payload.length)} at ${hex(gpa)}`,
    ...started([kernel], rest, gpa + ENTRY_64, about, options),
    symbols: [],
    notes,
  };
}

function checkHeader(bytes: Uint8Array): ReturnType<typeof BOOT_PARAMS.alloc> {
  const bad = (field: string, at: number, found: string | number, expected: string, cure: string) =>
    refusal('LINUX', { field: `bzImage setup header: ${field}`, at, found, expected, cure });
  if (!isBzImage(bytes))
    throw bad(
      'header',
      0x202,
      'no "HdrS" after a boot flag 0xaa55',
      '"HdrS"',
      'this is no bzImage: choose another --format',
    );
  const header = setup(bytes);
  if (header.version < MIN_VERSION)
    throw bad(
      'version',
      0x206,
      header.version,
      'at least 0x20c (2.12, Linux 3.8)',
      'use a newer kernel, or its vmlinux',
    );
  if (!(header.loadflags & LOADFLAG_LOADED_HIGH))
    throw bad('loadflags', 0x211, header.loadflags, 'LOADED_HIGH (bit 0)', 'this is a zImage: build a bzImage');
  if (!(header.xloadflags & XLF_KERNEL_64))
    throw bad(
      'xloadflags',
      0x236,
      header.xloadflags,
      'XLF_KERNEL_64 (bit 0)',
      'this is a 32-bit kernel: use a 64-bit one',
    );
  return header;
}

/** pref_address when RAM is there, else, for a relocatable kernel, the first aligned address from 1 MiB. */
function kernelAddress(
  header: ReturnType<typeof setup>,
  needed: number,
  options: LoadOptions,
  notes: string[],
): number {
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
