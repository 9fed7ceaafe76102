/** Guest memory, its dirty log, the clock, capabilities, attributes and statistics. */

import { struct } from '../struct.ts';
import { array, bytes, s16, u16, u32, u64 } from '../types.ts';

/** A memory slot of the first KVM, whose memory the kernel itself allocated. Historic. */
export const KvmMemoryRegion = struct('kvm_memory_region', 24, {
  slot: [0, u32],
  flags: [4, u32],
  guest_phys_addr: [8, u64],
  memory_size: [16, u64],
});

/** A second guest-physical window on a memory slot. Historic: give a second slot the same user memory. */
export const KvmMemoryAlias = struct('kvm_memory_alias', 32, {
  slot: [0, u32],
  flags: [4, u32],
  guest_phys_addr: [8, u64],
  memory_size: [16, u64],
  target_phys_addr: [24, u64],
});

/** A memory slot backed by memory of this process. `flags`: MEMORY_REGION_FLAGS; `memory_size` 0 deletes it. */
export const KvmUserspaceMemoryRegion = struct('kvm_userspace_memory_region', 32, {
  slot: [0, u32],
  flags: [4, u32],
  guest_phys_addr: [8, u64],
  memory_size: [16, u64],
  userspace_addr: [24, u64],
});

/** As {@link KvmUserspaceMemoryRegion}, with private memory from a guest_memfd. */
export const KvmUserspaceMemoryRegion2 = struct('kvm_userspace_memory_region2', 160, {
  slot: [0, u32],
  flags: [4, u32],
  guest_phys_addr: [8, u64],
  memory_size: [16, u64],
  userspace_addr: [24, u64],
  guest_memfd_offset: [32, u64],
  guest_memfd: [40, u32],
  pad1: [44, u32],
  pad2: [48, array(u64, 14)],
});

/** Private or shared (attribute bit 3), for a range of guest-physical memory. Bytes. */
export const KvmMemoryAttributes = struct('kvm_memory_attributes', 32, {
  address: [0, u64],
  size: [8, u64],
  attributes: [16, u64],
  flags: [24, u64],
});

/** Memory that only the guest can see. `size` in bytes. */
export const KvmCreateGuestMemfd = struct('kvm_create_guest_memfd', 64, {
  size: [0, u64],
  flags: [8, u64],
  reserved: [16, array(u64, 6)],
});

/** Guest-physical range to map ahead of use; the kernel advances `gpa` and shrinks `size`. Bytes. */
export const KvmPreFaultMemory = struct('kvm_pre_fault_memory', 64, {
  gpa: [0, u64],
  size: [8, u64],
  flags: [16, u64],
  padding: [24, array(u64, 5)],
});

/** Where to put a slot's dirty bitmap: `dirty_bitmap` is a host address, one bit for each page. */
export const KvmDirtyLog = struct('kvm_dirty_log', 16, { slot: [0, u32], padding1: [4, u32], dirty_bitmap: [8, u64] });

/** Pages to write-protect again. `first_page` is a multiple of 64; so is `num_pages` unless the range ends the slot. */
export const KvmClearDirtyLog = struct('kvm_clear_dirty_log', 24, {
  slot: [0, u32],
  num_pages: [4, u32],
  first_page: [8, u64],
  dirty_bitmap: [16, u64],
});

/** One entry of the dirty ring: page `offset` of `slot`, its address space in the upper half. */
export const KvmDirtyGfn = struct('kvm_dirty_gfn', 16, { flags: [0, u32], slot: [4, u32], offset: [8, u64] });

/** Range whose writes are batched in the coalescing ring. `pio` 1: ports. */
export const KvmCoalescedMmioZone = struct('kvm_coalesced_mmio_zone', 16, {
  addr: [0, u64],
  size: [8, u32],
  pio: [12, u32],
});

/** One batched write. */
export const KvmCoalescedMmio = struct('kvm_coalesced_mmio', 24, {
  phys_addr: [0, u64],
  len: [8, u32],
  pio: [12, u32],
  data: [16, bytes(8)],
});

/** Header of the coalescing ring page; {@link KvmCoalescedMmio} entries follow. */
export const KvmCoalescedMmioRing = struct('kvm_coalesced_mmio_ring', 8, { first: [0, u32], last: [4, u32] });

/** kvmclock. `clock` and `realtime` in nanoseconds; `flags`: CLOCK_FLAGS. */
export const KvmClockData = struct('kvm_clock_data', 48, {
  clock: [0, u64],
  flags: [8, u32],
  pad0: [12, u32],
  realtime: [16, u64],
  host_tsc: [24, u64],
  pad: [32, array(u32, 4)],
});

/** A capability to switch on. */
export const KvmEnableCap = struct('kvm_enable_cap', 104, {
  cap: [0, u32],
  flags: [4, u32],
  args: [8, array(u64, 4)],
  pad: [40, bytes(64)],
});

/** An attribute of a device, VM or vCPU; `addr` is the host address of its value. */
export const KvmDeviceAttr = struct('kvm_device_attr', 24, {
  flags: [0, u32],
  group: [4, u32],
  attr: [8, u64],
  addr: [16, u64],
});

/** Which PMU events a guest may count. */
export const KvmPmuEventFilter = struct('kvm_pmu_event_filter', 32, {
  action: [0, u32],
  nevents: [4, u32],
  fixed_counter_bitmap: [8, u32],
  flags: [12, u32],
  pad: [16, array(u32, 4)],
});

/** Start of a statistics file: where the id, the descriptors and the values are, as byte offsets. */
export const KvmStatsHeader = struct('kvm_stats_header', 24, {
  flags: [0, u32],
  name_size: [4, u32],
  num_desc: [8, u32],
  id_offset: [12, u32],
  desc_offset: [16, u32],
  data_offset: [20, u32],
});

/** One statistic; its name follows, `name_size` bytes with the final zero. `offset` is relative to the data block. */
export const KvmStatsDesc = struct('kvm_stats_desc', 16, {
  flags: [0, u32],
  exponent: [4, s16],
  size: [6, u16],
  offset: [8, u32],
  bucket_size: [12, u32],
});
