/** Interrupt controllers, the timer chip, and the ways to raise an interrupt. */
import { struct } from '../struct.ts';
import { array, bytes, s32, s64, u8, u16, u32, u64 } from '../types.ts';

/** An 8259 interrupt controller. */
export const KvmPicState = struct('kvm_pic_state', 16, {
  last_irr: [0, u8],
  irr: [1, u8],
  imr: [2, u8],
  isr: [3, u8],
  priority_add: [4, u8],
  irq_base: [5, u8],
  read_reg_select: [6, u8],
  poll: [7, u8],
  special_mask: [8, u8],
  init_state: [9, u8],
  auto_eoi: [10, u8],
  rotate_on_auto_eoi: [11, u8],
  special_fully_nested_mode: [12, u8],
  init4: [13, u8],
  elcr: [14, u8],
  elcr_mask: [15, u8],
});

/** The I/O APIC. Each of the 24 redirection entries is 64 bits: see IOAPIC_REDIRECTION. */
export const KvmIoapicState = struct('kvm_ioapic_state', 216, {
  base_address: [0, u64],
  ioregsel: [8, u32],
  id: [12, u32],
  irr: [16, u32],
  pad: [20, u32],
  redirtbl: [24, array(u64, 24)],
});

/** One interrupt controller. `chip` holds a {@link KvmPicState} or a {@link KvmIoapicState} by `chip_id` (IRQCHIPS). */
export const KvmIrqchip = struct('kvm_irqchip', 520, { chip_id: [0, u32], pad: [4, u32], chip: [8, bytes(512)] });

/** Bit fields of an I/O APIC redirection entry: name -> [lowest bit, width]. Source: 82093AA data sheet, 3.2.4. */
export const IOAPIC_REDIRECTION = {
  vector: [0, 8],
  delivery_mode: [8, 3],
  dest_mode: [11, 1],
  delivery_status: [12, 1],
  polarity: [13, 1],
  remote_irr: [14, 1],
  trig_mode: [15, 1],
  mask: [16, 1],
  dest_id: [56, 8],
} as const satisfies Record<string, readonly [bit: number, width: number]>;

/** A redirection entry, taken apart. */
export type IoapicRedirection = { [K in keyof typeof IOAPIC_REDIRECTION]: number };

/** Takes the 64 bits of an I/O APIC redirection entry apart. */
export function decodeRedirection(bits: bigint): IoapicRedirection {
  const fields = Object.entries(IOAPIC_REDIRECTION).map(([name, [bit, width]]) => [
    name,
    Number((bits >> BigInt(bit)) & ((1n << BigInt(width)) - 1n)),
  ]);
  return Object.fromEntries(fields) as IoapicRedirection;
}

/** One of the three channels of the 8254 timer. `count_load_time` is in nanoseconds of host monotonic time. */
export const KvmPitChannelState = struct('kvm_pit_channel_state', 24, {
  count: [0, u32],
  latched_count: [4, u16],
  count_latched: [6, u8],
  status_latched: [7, u8],
  status: [8, u8],
  read_state: [9, u8],
  write_state: [10, u8],
  write_latch: [11, u8],
  rw_mode: [12, u8],
  mode: [13, u8],
  bcd: [14, u8],
  gate: [15, u8],
  count_load_time: [16, s64],
});

/** The 8254 as the old KVM_GET_PIT knows it. */
export const KvmPitState = struct('kvm_pit_state', 72, { channels: [0, array(KvmPitChannelState, 3)] });

/** The 8254 and its flags (PIT_FLAGS). */
export const KvmPitState2 = struct('kvm_pit_state2', 112, {
  channels: [0, array(KvmPitChannelState, 3)],
  flags: [72, u32],
  reserved: [76, array(u32, 9)],
});

/** How to create the 8254: `flags` 1 gives it a dummy speaker port at 0x61. */
export const KvmPitConfig = struct('kvm_pit_config', 64, { flags: [0, u32], pad: [4, array(u32, 15)] });

/** Whether lost timer ticks are injected later. */
export const KvmReinjectControl = struct('kvm_reinject_control', 32, {
  pit_reinject: [0, u8],
  reserved: [1, bytes(31)],
});

/** Level of an interrupt line. KVM_IRQ_LINE_STATUS answers in the place of `irq`, as a signed status. */
export const KvmIrqLevel = struct('kvm_irq_level', 8, { irq: [0, u32], level: [4, u32] });

/** A message-signalled interrupt. */
export const KvmMsi = struct('kvm_msi', 32, {
  address_lo: [0, u32],
  address_hi: [4, u32],
  data: [8, u32],
  flags: [12, u32],
  devid: [16, u32],
  pad: [20, bytes(12)],
});

/** Ties an eventfd to an interrupt line. */
export const KvmIrqfd = struct('kvm_irqfd', 32, {
  fd: [0, u32],
  gsi: [4, u32],
  flags: [8, u32],
  resamplefd: [12, u32],
  pad: [16, bytes(16)],
});

/** Ties an eventfd to guest writes at a port or address. `len` 1, 2, 4, 8, or 0 for any. */
export const KvmIoeventfd = struct('kvm_ioeventfd', 64, {
  datamatch: [0, u64],
  addr: [8, u64],
  len: [16, u32],
  fd: [20, s32],
  flags: [24, u32],
  pad: [28, bytes(36)],
});

/** Route of a GSI to a pin of an interrupt controller. */
export const KvmIrqRoutingIrqchip = struct('kvm_irq_routing_irqchip', 8, { irqchip: [0, u32], pin: [4, u32] });

/** Route of a GSI to a message. */
export const KvmIrqRoutingMsi = struct('kvm_irq_routing_msi', 16, {
  address_lo: [0, u32],
  address_hi: [4, u32],
  data: [8, u32],
  devid: [12, u32],
});

/** One route. `u` holds a {@link KvmIrqRoutingIrqchip} or {@link KvmIrqRoutingMsi} by `type` (IRQ_ROUTING_TYPES). */
export const KvmIrqRoutingEntry = struct('kvm_irq_routing_entry', 48, {
  gsi: [0, u32],
  type: [4, u32],
  flags: [8, u32],
  pad: [12, u32],
  u: [16, bytes(32)],
});

/** Header of the routing table; replaces the whole table. */
export const KvmIrqRouting = struct('kvm_irq_routing', 8, { nr: [0, u32], flags: [4, u32] });
