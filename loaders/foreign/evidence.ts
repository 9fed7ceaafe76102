/** Evidence of formats whose first bytes alone are too weak: a few bytes that other files may start with as well. */
import { viewOf } from '../bytes.ts';

/** OMAGIC, NMAGIC, ZMAGIC, QMAGIC (a.out.h), in octal as everybody writes them. */
const AOUT_MAGICS: ReadonlySet<number> = new Set([0o407, 0o410, 0o413, 0o314]);
/** Machine types: not given, and M_386. */
const AOUT_MACHINES: ReadonlySet<number> = new Set([0, 100]);
const AOUT_HEADER = 32;

/** An a.out file for i386: the magic number, and sizes that fit into the file. */
export function isAout(bytes: Uint8Array): boolean {
  if (bytes.length < AOUT_HEADER) return false;
  const view = viewOf(bytes);
  const info = view.getUint32(0, true);
  if (!AOUT_MAGICS.has(info & 0xffff) || !AOUT_MACHINES.has((info >>> 16) & 0xff)) return false;
  const field = (i: number) => view.getUint32(4 * i, true);
  const [text, data, symbols, textRelocations, dataRelocations] = [field(1), field(2), field(4), field(6), field(7)];
  return text > 0 && text + data + symbols + textRelocations + dataRelocations <= bytes.length;
}

const OPTION_ROM_UNIT = 512;
/** Where an option ROM says that its PCI data structure is (PCI Firmware Specification 3.0, section 5.1). */
const PCI_DATA_AT = 0x18;
const PCIR = 0x5249_4350;

/** 55 AA and a size that fits, and either a sum of 0 over that size or the structure that a PCI card's has. */
export function isOptionRom(bytes: Uint8Array): boolean {
  if (bytes.length < OPTION_ROM_UNIT || bytes[0] !== 0x55 || bytes[1] !== 0xaa) return false;
  const size = bytes[2]! * OPTION_ROM_UNIT;
  if (size === 0 || size > bytes.length) return false;
  const view = viewOf(bytes);
  const data = view.getUint16(PCI_DATA_AT, true);
  if (data + 4 <= bytes.length && view.getUint32(data, true) === PCIR) return true;
  return (bytes.subarray(0, size).reduce((sum, b) => sum + b, 0) & 0xff) === 0;
}

const FDT_MAGIC = 0xd00d_feed;
/** Before its images a FIT has a few properties of the root only. */
const FIT_SEARCH = 4096;
/** FDT_BEGIN_NODE and the name (Devicetree Specification 0.4, section 5.4; U-Boot, "Flat Image Tree"). */
const IMAGES_NODE = Buffer.from('\0\0\0\x01images\0\0', 'latin1');

/** A device tree that has a node named images. */
export function isFit(bytes: Uint8Array): boolean {
  if (bytes.length < 40) return false;
  const view = viewOf(bytes);
  if (view.getUint32(0, false) !== FDT_MAGIC) return false;
  const structure = view.getUint32(8, false);
  const searched = bytes.subarray(structure, structure + FIT_SEARCH);
  return Buffer.from(searched.buffer, searched.byteOffset, searched.length).includes(IMAGES_NODE);
}
