/**
 * The registers of a VGA. Text needs no more than these: a guest sets its mode and moves its cursor here, and the picture
 * itself is guest memory (see `tools/screen`). There is no video memory in planes, so graphics modes are remembered and show
 * nothing. (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".)
 */
import type { Live } from '../abi/struct.ts';
import { bytes, u8, u16 } from '../abi/types.ts';
import type { Device, DeviceSpec } from './device.ts';
import { declareDevice, type Placed } from './record.ts';
import {
  ATTRIBUTE_MODE,
  CRTC,
  isGraphics,
  MISC_COLOUR,
  TEXT_MODE,
  VGA_SIZES,
  type VgaRegisters,
} from './vga-registers.ts';

/** Ports by what they are for when written; those of the CRT controller and of status are at 0x3b4 and 0x3ba on monochrome. */
const PORT = {
  ATTRIBUTE: 0x3c0,
  ATTRIBUTE_READ: 0x3c1,
  MISC_STATUS0: 0x3c2,
  ENABLE: 0x3c3,
  SEQUENCER: 0x3c4,
  DAC_MASK: 0x3c6,
  DAC_READ_STATE: 0x3c7,
  DAC_WRITE: 0x3c8,
  DAC_DATA: 0x3c9,
  FEATURE_READ: 0x3ca,
  MISC_READ: 0x3cc,
  GRAPHICS: 0x3ce,
  CRTC: 0x3d4,
  STATUS: 0x3da,
} as const;
/** From a port of the colour display to the same one of a monochrome display. */
const TO_MONOCHROME = 0x20;

/** Input status 1: the beam is outside the picture; it runs back from the bottom to the top. */
const RETRACE = 0x01 | 0x08;
/** Input status 0: the switch sense of a colour display. */
const SWITCH_SENSE = 0x10;
const PROTECTED_REGISTERS = 8;
const PROTECTED = 0x80;
/** The one bit of a protected register that can be written all the same: line compare's ninth. */
const LINE_COMPARE_8 = 0x10;
const DAC_IS_READ = 3;
const SIX_BITS = 0x3f;
const NOBODY = 0xff;

const FIELDS = {
  crtcIndex: u8,
  crtc: bytes(VGA_SIZES.CRTC),
  misc: u8,
  feature: u8,
  enabled: u8,
  /** Input status 1. Its retrace bits change with every read, so that a guest that waits for either does not wait long. */
  status1: u8,
  sequencerIndex: u8,
  sequencer: bytes(VGA_SIZES.SEQUENCER),
  graphicsIndex: u8,
  graphics: bytes(VGA_SIZES.GRAPHICS),
  attributeIndex: u8,
  /** The next write to 0x3c0 is data. */
  attributeData: u8,
  attributes: bytes(VGA_SIZES.ATTRIBUTES),
  dacMask: u8,
  /** Three times the colour's number, and which of its three levels is next. */
  dacReadAt: u16,
  dacWriteAt: u16,
  dacState: u8,
  dac: bytes(VGA_SIZES.DAC),
  /** The guest has set a graphics mode at some time. */
  graphicsSet: u8,
};

type Record = Live<Placed<typeof FIELDS>>;

/** A pair of ports, index and data, over a register file. */
interface IndexedFile {
  readonly index: 'crtcIndex' | 'sequencerIndex' | 'graphicsIndex';
  readonly registers: Uint8Array;
}

/** A VGA in mode 3, as a BIOS leaves it. In version 0.1 the CRT controller was all there was. */
export function vga(): DeviceSpec {
  return declareDevice('vga', FIELDS, {
    earlier: { name: 'vga-crtc', bytes: 26, zeroIsUnset: true },
    reset: (r) => Object.assign(r, TEXT_MODE, { enabled: 1, dacMask: 0xff }),
    attach: (r) => attachVga(r),
  });
}

/** The registers in a record of the device. */
export function vgaRegisters(spec: DeviceSpec, record: Uint8Array): VgaRegisters {
  const part = (name: string) => {
    const [at, size] = spec.fields[name]!;
    return record.subarray(at, at + size);
  };
  return {
    misc: part('misc')[0]!,
    crtc: part('crtc'),
    sequencer: part('sequencer'),
    graphics: part('graphics'),
    attributes: part('attributes'),
    dac: part('dac'),
  };
}

function attachVga(r: Record): Omit<Device, 'name'> {
  const crtc: IndexedFile = { index: 'crtcIndex', registers: r.crtc };
  const sequencer: IndexedFile = { index: 'sequencerIndex', registers: r.sequencer };
  const graphics: IndexedFile = { index: 'graphicsIndex', registers: r.graphics };

  const readIndexed = ({ index, registers: file }: IndexedFile) => file[r[index]] ?? 0;

  function writeIndexed({ index, registers: file }: IndexedFile, value: number): void {
    if (r[index] < file.length) file[r[index]] = value;
    noteGraphics();
  }

  function noteGraphics(): void {
    if (isGraphics(r)) r.graphicsSet = 1;
  }

  /** Bit 7 of register 0x11 protects the first eight registers. */
  function writeCrtc(value: number): void {
    const index = r.crtcIndex;
    const isProtected = index < PROTECTED_REGISTERS && (r.crtc[CRTC.PROTECT]! & PROTECTED) !== 0;
    if (!isProtected) writeIndexed(crtc, value);
    else if (index === CRTC.OVERFLOW) r.crtc[index] = (r.crtc[index]! & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
  }

  /** Index and data share one port; reading input status 1 makes an index the next. */
  function writeAttribute(value: number): void {
    const index = r.attributeIndex & 0x1f;
    if (r.attributeData === 0) r.attributeIndex = value & 0x3f;
    else if (index < VGA_SIZES.ATTRIBUTES) r.attributes[index] = index < ATTRIBUTE_MODE ? value & SIX_BITS : value;
    r.attributeData ^= 1;
    noteGraphics();
  }

  function readDac(): number {
    const level = r.dac[r.dacReadAt % VGA_SIZES.DAC]!;
    r.dacReadAt = (r.dacReadAt + 1) % VGA_SIZES.DAC;
    return level;
  }

  function writeDac(value: number): void {
    r.dac[r.dacWriteAt % VGA_SIZES.DAC] = value & SIX_BITS;
    r.dacWriteAt = (r.dacWriteAt + 1) % VGA_SIZES.DAC;
  }

  function readStatus1(): number {
    r.attributeData = 0;
    r.status1 ^= RETRACE;
    return r.status1;
  }

  const readers: { readonly [port: number]: () => number } = {
    [PORT.ATTRIBUTE]: () => r.attributeIndex,
    [PORT.ATTRIBUTE_READ]: () => r.attributes[r.attributeIndex & 0x1f] ?? 0,
    [PORT.MISC_STATUS0]: () => SWITCH_SENSE,
    [PORT.ENABLE]: () => r.enabled,
    [PORT.SEQUENCER]: () => r.sequencerIndex,
    [PORT.SEQUENCER + 1]: () => readIndexed(sequencer),
    [PORT.DAC_MASK]: () => r.dacMask,
    [PORT.DAC_READ_STATE]: () => r.dacState,
    [PORT.DAC_WRITE]: () => Math.floor(r.dacWriteAt / 3) & 0xff,
    [PORT.DAC_DATA]: readDac,
    [PORT.FEATURE_READ]: () => r.feature,
    [PORT.MISC_READ]: () => r.misc,
    [PORT.GRAPHICS]: () => r.graphicsIndex,
    [PORT.GRAPHICS + 1]: () => readIndexed(graphics),
    [PORT.CRTC]: () => r.crtcIndex,
    [PORT.CRTC + 1]: () => readIndexed(crtc),
    [PORT.STATUS]: readStatus1,
  };

  const keep = (field: 'misc' | 'feature' | 'dacMask' | IndexedFile['index']) => (value: number) => {
    r[field] = value;
  };

  const writers: { readonly [port: number]: (value: number) => void } = {
    [PORT.ATTRIBUTE]: writeAttribute,
    [PORT.MISC_STATUS0]: keep('misc'),
    [PORT.ENABLE]: (value) => {
      r.enabled = value & 1;
    },
    [PORT.SEQUENCER]: keep('sequencerIndex'),
    [PORT.SEQUENCER + 1]: (value) => writeIndexed(sequencer, value),
    [PORT.DAC_MASK]: keep('dacMask'),
    [PORT.DAC_READ_STATE]: (value) => {
      r.dacReadAt = value * 3;
      r.dacState = DAC_IS_READ;
    },
    [PORT.DAC_WRITE]: (value) => {
      r.dacWriteAt = value * 3;
      r.dacState = 0;
    },
    [PORT.DAC_DATA]: writeDac,
    [PORT.GRAPHICS]: keep('graphicsIndex'),
    [PORT.GRAPHICS + 1]: (value) => writeIndexed(graphics, value),
    [PORT.CRTC]: keep('crtcIndex'),
    [PORT.CRTC + 1]: writeCrtc,
    [PORT.STATUS]: keep('feature'),
  };

  /** The port as of a colour display; undefined for the ports of the display that is not selected. */
  function colourPort(port: number): number | undefined {
    if (port >= PORT.ATTRIBUTE && port < PORT.CRTC) return port;
    const isColour = (r.misc & MISC_COLOUR) !== 0;
    if (port >= PORT.CRTC) return isColour ? port : undefined;
    return isColour ? undefined : port + TO_MONOCHROME;
  }

  return {
    ports: [
      { base: PORT.ATTRIBUTE, length: 16 },
      ...[0, -TO_MONOCHROME].flatMap((to) => [
        { base: PORT.CRTC + to, length: 2 },
        { base: PORT.STATUS + to, length: 1 },
      ]),
    ],
    read: (port) => readers[colourPort(port) ?? -1]?.() ?? NOBODY,
    write(port, _width, value) {
      writers[colourPort(port) ?? -1]?.(value);
      return undefined;
    },
  };
}
