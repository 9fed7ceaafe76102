/** Numbers of virtio over MMIO (virtio 1.2, 4.2.2 and 2.1). */

/** Register offsets. All are 4 bytes wide, but for the device's own configuration from CONFIG on. */
export const REG = {
  MAGIC: 0x000,
  VERSION: 0x004,
  DEVICE_ID: 0x008,
  VENDOR_ID: 0x00c,
  DEVICE_FEATURES: 0x010,
  DEVICE_FEATURES_SEL: 0x014,
  DRIVER_FEATURES: 0x020,
  DRIVER_FEATURES_SEL: 0x024,
  QUEUE_SEL: 0x030,
  QUEUE_SIZE_MAX: 0x034,
  QUEUE_SIZE: 0x038,
  QUEUE_READY: 0x044,
  QUEUE_NOTIFY: 0x050,
  INTERRUPT_STATUS: 0x060,
  INTERRUPT_ACK: 0x064,
  STATUS: 0x070,
  QUEUE_DESC: 0x080,
  QUEUE_DRIVER: 0x090,
  QUEUE_DEVICE: 0x0a0,
  SHM_LEN: 0x0b0,
  SHM_BASE: 0x0b8,
  QUEUE_RESET: 0x0c0,
  CONFIG_GENERATION: 0x0fc,
  CONFIG: 0x100,
} as const;

/** "virt", and the version of the register layout. */
export const MAGIC = 0x7472_6976;
export const VERSION = 2;
/** "VMLP": who made the device. */
export const VENDOR = 0x504c_4d56;

/** Bits of the status register. */
export const STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** Bits of the interrupt status: a buffer was used; the configuration, or the status, has changed. */
export const INTERRUPT = { USED: 1, CONFIG: 2 } as const;

/** Feature bits of every device. */
export const FEATURE = { INDIRECT_DESC: 28, VERSION_1: 32, RING_RESET: 40 } as const;

/** Device types. */
export const DEVICE_ID = { BLOCK: 2, ENTROPY: 4 } as const;
