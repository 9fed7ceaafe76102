/** Registers of the PC16550D by name: offsets, bits and the small rules that are tables in its data sheet. */

/** Offsets from the base port. Read and write may mean different registers; DLAB swaps the first two for the divisor. */
export const REGISTER = { DATA: 0, IER: 1, IIR_FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;

/** Line control: the divisor latch is at offsets 0 and 1. */
export const LCR_DLAB = 0x80;

/** Interrupt enable. */
export const IER = { RX: 0x01, THR_EMPTY: 0x02, LINE_STATUS: 0x04, MODEM_STATUS: 0x08, ALL: 0x0f } as const;

/** Interrupt identification, highest priority first, and the bits by which a 16550A differs from earlier UARTs. */
export const IIR = {
  LINE_STATUS: 0x06,
  RX: 0x04,
  RX_TIMEOUT: 0x0c,
  THR_EMPTY: 0x02,
  MODEM_STATUS: 0x00,
  NONE: 0x01,
  FIFO_ENABLED: 0xc0,
} as const;

/** FIFO control. KEPT are the bits that last: enable, DMA mode and trigger level. */
export const FCR = { ENABLE: 0x01, CLEAR_RX: 0x02, CLEAR_TX: 0x04, KEPT: 0xc9 } as const;

/** Receive trigger level in bytes, by the top two bits of FIFO control. */
export const RX_TRIGGER = [1, 4, 8, 14] as const;

/** Modem control. */
export const MCR = { DTR: 0x01, RTS: 0x02, OUT1: 0x04, OUT2: 0x08, LOOP: 0x10, ALL: 0x1f } as const;

/** Line status. */
export const LSR = { DATA_READY: 0x01, OVERRUN: 0x02, THR_EMPTY: 0x20, TX_EMPTY: 0x40 } as const;

/** Modem status, the lines. The low half holds one "changed" bit for each, four places down. */
export const MSR = { CTS: 0x10, DSR: 0x20, RI: 0x40, DCD: 0x80 } as const;

/** What the guest sees of the other side: carrier, ready, clear to send. */
export const MODEM_CONNECTED = MSR.DCD | MSR.DSR | MSR.CTS;

/** Loopback: which modem control output feeds which modem status input. */
const LOOPED = [
  [MCR.RTS, MSR.CTS],
  [MCR.DTR, MSR.DSR],
  [MCR.OUT1, MSR.RI],
  [MCR.OUT2, MSR.DCD],
] as const;

/** The modem status lines in loopback mode. */
export function loopedModemLines(mcr: number): number {
  let lines = 0;
  for (const [output, input] of LOOPED) if (mcr & output) lines |= input;
  return lines;
}

/** The "changed" bits between two states of the lines. The ring indicator only counts when it ends. */
export function modemChanges(before: number, after: number): number {
  const changed = before ^ after;
  return ((changed & ~MSR.RI) | (before & ~after & MSR.RI)) >> 4;
}
