/** The Linux/x86 boot protocol's structures (Documentation/arch/x86/boot.rst and zero-page.rst). */
import { struct } from '../../src/abi/struct.ts';
import { array, u8, u16, u32, u64 } from '../../src/abi/types.ts';

/** Offset of the setup header, in the file and in boot_params. */
export const HEADER_AT = 0x1f1;
export const BOOT_FLAG = 0xaa55;
/** "HdrS" */
export const HEADER_MAGIC = 0x53726448;
/** First protocol version with xloadflags: 2.12. */
export const MIN_VERSION = 0x020c;

/** The setup header never reaches further into boot_params than this. */
export const HEADER_END = 0x290;

const E820_MAX = 128;

const E820_ENTRY = struct('boot_e820_entry', 20, {
  addr: [0, u64],
  size: [8, u64],
  type: [16, u32],
});

/** struct boot_params, the "zero page". Offsets of the setup header are the same as in the first sectors of a bzImage. */
export const BOOT_PARAMS = struct('boot_params', 4096, {
  // struct screen_info: the display as the loader has left it.
  orig_video_mode: [0x006, u8],
  orig_video_cols: [0x007, u8],
  orig_video_lines: [0x00e, u8],
  orig_video_isVGA: [0x00f, u8],
  orig_video_points: [0x010, u16],
  ext_ramdisk_image: [0x0c0, u32],
  ext_ramdisk_size: [0x0c4, u32],
  ext_cmd_line_ptr: [0x0c8, u32],
  alt_mem_k: [0x1e0, u32],
  e820_entries: [0x1e8, u8],
  setup_sects: [0x1f1, u8],
  acpi_rsdp_addr: [0x070, u64],
  syssize: [0x1f4, u32],
  vid_mode: [0x1fa, u16],
  boot_flag: [0x1fe, u16],
  jump_offset: [0x201, u8],
  header: [0x202, u32],
  version: [0x206, u16],
  type_of_loader: [0x210, u8],
  loadflags: [0x211, u8],
  code32_start: [0x214, u32],
  ramdisk_image: [0x218, u32],
  ramdisk_size: [0x21c, u32],
  heap_end_ptr: [0x224, u16],
  cmd_line_ptr: [0x228, u32],
  initrd_addr_max: [0x22c, u32],
  kernel_alignment: [0x230, u32],
  relocatable_kernel: [0x234, u8],
  xloadflags: [0x236, u16],
  cmdline_size: [0x238, u32],
  pref_address: [0x258, u64],
  init_size: [0x260, u32],
  e820_table: [0x2d0, array(E820_ENTRY, E820_MAX)],
});

/** boot_params in memory. */
export type BootParams = ReturnType<typeof BOOT_PARAMS.alloc>;

export const LOADFLAG_LOADED_HIGH = 1;
/** heap_end_ptr is valid. */
export const LOADFLAG_CAN_USE_HEAP = 0x80;
/** The kernel has a 64-bit entry point at 0x200. */
export const XLF_KERNEL_64 = 1;
/** "A boot loader without an assigned number." */
export const LOADER_UNDEFINED = 0xff;
