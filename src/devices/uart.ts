/**
 * A 16550A serial port (National Semiconductor PC16550D data sheet, 1995) without delays: a character written is sent at
 * once, and characters from the host wait in a queue, as on the wire, until the guest reads.
 *
 * The missing delays show in two places. A receive FIFO below its trigger level reports the character
 * time-out at once. And after a read that leaves characters in the FIFO, the interrupt line drops and rises, as if the next
 * one had just arrived; so a handler that takes one character per interrupt works with an edge-triggered PIC.
 */
import type { Live } from '../abi/struct.ts';
import { u8 } from '../abi/types.ts';
import type { Device, DeviceHost, DeviceSpec, StopRequest } from './device.ts';
import { declareDevice, type Placed } from './record.ts';
import { ringType } from './ring.ts';
import { FIFO_BYTES, UartReceiver } from './uart-receiver.ts';
import {
  FCR,
  IER,
  IIR,
  LCR_DLAB,
  LSR,
  loopedModemLines,
  MCR,
  MODEM_CONNECTED,
  modemChanges,
  REGISTER,
  RX_TRIGGER,
} from './uart-registers.ts';

/** Bytes of host input that wait for the guest beyond the FIFO. */
export const SERIAL_QUEUE_BYTES = 4096;

const FIELDS = {
  ier: u8,
  fcr: u8,
  lcr: u8,
  mcr: u8,
  scr: u8,
  dll: u8,
  dlm: u8,
  /** Sticky error bits of the line status register. */
  lineErrors: u8,
  /** Low half of the modem status register: what changed since it was read. */
  modemDeltas: u8,
  /** The transmitter became empty, and the guest has not acknowledged it. */
  thrEmptied: u8,
  irqLevel: u8,
  fifo: ringType(FIFO_BYTES),
  queue: ringType(SERIAL_QUEUE_BYTES),
};

/** Where a UART lives: COM1 is { base: 0x3f8, irq: 4 }. */
interface UartPlace {
  readonly base: number;
  readonly irq: number;
}

/** A UART with its wire: the host's end of the line. */
export interface Uart extends Device {
  /** Queues input for the guest; returns how many bytes fitted. The caller sends the rest later. */
  receive(bytes: Uint8Array): number;
  /** Bytes that {@link receive} would take now. */
  room(): number;
}

/** What a UART spec attaches. */
export interface UartSpec extends DeviceSpec {
  attach(state: Uint8Array, host: DeviceHost): Uart;
}

/** A 16550A whose output goes to the host's serial channel. */
export const uart = ({ name, ...place }: UartPlace & { readonly name: string }): UartSpec =>
  declareDevice(name, FIELDS, {
    // 12 for the divisor is 9600 baud, which the first PCs set; the guest may read it before it sets its own.
    reset: (r) => Object.assign(r, { dll: 12 }),
    attach: (r, host) => attachUart(place, r, host),
  });

function attachUart({ base, irq }: UartPlace, r: Live<Placed<typeof FIELDS>>, host: DeviceHost): Omit<Uart, 'name'> {
  const receiver = new UartReceiver(r.fifo, r.queue, () => (r.fcr & FCR.ENABLE) !== 0);
  const oneByte = new Uint8Array(1);

  const looped = () => (r.mcr & MCR.LOOP) !== 0;

  function arrive(): void {
    if (!looped()) receiver.arrive();
  }

  /** The highest-priority interrupt that is enabled and pending (data sheet, table V). */
  function interruptId(): number {
    const { ier } = r;
    if (ier & IER.LINE_STATUS && r.lineErrors) return IIR.LINE_STATUS;
    if (ier & IER.RX) {
      arrive();
      const enabled = r.fcr & FCR.ENABLE;
      if (receiver.count >= (enabled ? RX_TRIGGER[r.fcr >> 6]! : 1)) return IIR.RX;
      if (enabled && receiver.count > 0) return IIR.RX_TIMEOUT;
    }
    if (ier & IER.THR_EMPTY && r.thrEmptied) return IIR.THR_EMPTY;
    if (ier & IER.MODEM_STATUS && r.modemDeltas) return IIR.MODEM_STATUS;
    return IIR.NONE;
  }

  function setLine(level: 0 | 1): void {
    if (r.irqLevel === level) return;
    r.irqLevel = level;
    host.setIrq(irq, level);
  }

  /** OUT2 opens the gate between the chip and the interrupt controller on a PC; loopback closes it. */
  function update(): void {
    const open = (r.mcr & (MCR.OUT2 | MCR.LOOP)) === MCR.OUT2;
    setLine(open && interruptId() !== IIR.NONE ? 1 : 0);
  }

  function readData(): number {
    arrive();
    if (receiver.count === 0) return 0;
    const byte = receiver.take();
    if (r.ier & IER.RX && receiver.hasMore) setLine(0);
    update();
    return byte;
  }

  function transmit(bytes: Uint8Array): void {
    if (looped()) for (const byte of bytes) loopBack(byte);
    else host.output('serial', bytes);
    // The holding register was full for a moment: its interrupt is withdrawn and raised again.
    r.thrEmptied = 0;
    if (r.ier & IER.THR_EMPTY) update();
    r.thrEmptied = 1;
    if (r.ier) update();
  }

  function loopBack(byte: number): void {
    if (!receiver.loopBack(byte)) r.lineErrors |= LSR.OVERRUN;
  }

  function readInterruptId(): number {
    const id = interruptId();
    if (id === IIR.THR_EMPTY) {
      r.thrEmptied = 0;
      update();
    }
    return id | (r.fcr & FCR.ENABLE ? IIR.FIFO_ENABLED : 0);
  }

  function readLineStatus(): number {
    arrive();
    const status = LSR.THR_EMPTY | LSR.TX_EMPTY | r.lineErrors | (receiver.count > 0 ? LSR.DATA_READY : 0);
    if (r.lineErrors) {
      r.lineErrors = 0;
      update();
    }
    return status;
  }

  const modemLines = () => (looped() ? loopedModemLines(r.mcr) : MODEM_CONNECTED);

  function readModemStatus(): number {
    const status = modemLines() | r.modemDeltas;
    r.modemDeltas = 0;
    update();
    return status;
  }

  function writeFifoControl(value: number): void {
    const switched = (r.fcr ^ value) & FCR.ENABLE;
    if (switched || (value & FCR.ENABLE && value & FCR.CLEAR_RX)) receiver.clear();
    if (switched || (value & FCR.ENABLE && value & FCR.CLEAR_TX)) r.thrEmptied = 1;
    r.fcr = value & FCR.ENABLE ? value & FCR.KEPT : 0;
    update();
  }

  function writeInterruptEnable(value: number): void {
    if (value & ~r.ier & IER.THR_EMPTY) r.thrEmptied = 1;
    r.ier = value & IER.ALL;
    update();
  }

  function writeModemControl(value: number): void {
    const before = modemLines();
    r.mcr = value & MCR.ALL;
    r.modemDeltas |= modemChanges(before, modemLines());
    update();
  }

  const latch = () => (r.lcr & LCR_DLAB) !== 0;

  const readers: Record<number, () => number> = {
    [REGISTER.DATA]: () => (latch() ? r.dll : readData()),
    [REGISTER.IER]: () => (latch() ? r.dlm : r.ier),
    [REGISTER.IIR_FCR]: readInterruptId,
    [REGISTER.LCR]: () => r.lcr,
    [REGISTER.MCR]: () => r.mcr,
    [REGISTER.LSR]: readLineStatus,
    [REGISTER.MSR]: readModemStatus,
    [REGISTER.SCR]: () => r.scr,
  };

  const sendByte = (value: number) => {
    oneByte[0] = value;
    transmit(oneByte);
  };
  const ignored = () => {};

  const writers: Record<number, (value: number) => void> = {
    [REGISTER.DATA]: (value) => {
      if (latch()) r.dll = value;
      else sendByte(value);
    },
    [REGISTER.IER]: (value) => {
      if (latch()) r.dlm = value;
      else writeInterruptEnable(value);
    },
    [REGISTER.IIR_FCR]: writeFifoControl,
    [REGISTER.LCR]: (value) => {
      r.lcr = value;
    },
    [REGISTER.MCR]: writeModemControl,
    [REGISTER.LSR]: ignored,
    [REGISTER.MSR]: ignored,
    [REGISTER.SCR]: (value) => {
      r.scr = value;
    },
  };

  function write(port: number, value: number): undefined {
    writers[port - base]!(value);
  }

  return {
    ports: [{ base, length: 8 }],
    read: (port) => readers[port - base]!(),
    write: (port, _width, value) => write(port, value),
    writeRun(port, bytes): StopRequest | undefined {
      if (port === base && !latch() && bytes.length > 0) transmit(bytes);
      else for (const byte of bytes) write(port, byte);
      return undefined;
    },
    receive(bytes) {
      const taken = receiver.send(bytes);
      update();
      return taken;
    },
    room: () => receiver.room,
  };
}
