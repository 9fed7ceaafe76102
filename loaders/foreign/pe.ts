/** What is needed of a PE file to say what it is (Microsoft PE format; UEFI specification 2.10, section 2.1.1). */
import { stringAt, viewOf } from '../bytes.ts';

/** Where the DOS header says that the PE signature is. */
const SIGNATURE_AT = 0x3c;
const SIGNATURE = 0x0000_4550;
/** Signature and COFF header, before the optional header. */
const COFF_SIZE = 24;
/** Offset in the optional header; the same in PE32 and PE32+. */
const SUBSYSTEM_AT = 68;
const SECTION_SIZE = 40;
const NAME_SIZE = 8;
/** As many as Windows takes. */
const MAX_SECTIONS = 96;

/** i386 and x86-64. */
export const X86_MACHINES: ReadonlySet<number> = new Set([0x14c, 0x8664]);

/** EFI application, boot service driver, runtime driver, ROM. */
export const EFI_SUBSYSTEMS: ReadonlySet<number> = new Set([10, 11, 12, 13]);

/** The particulars of a PE file. */
export interface PeFile {
  /** IMAGE_FILE_MACHINE_…. */
  readonly machine: number;
  /** IMAGE_SUBSYSTEM_…; 0 where the file is too short to say. */
  readonly subsystem: number;
  readonly sections: readonly string[];
}

/** Reads the headers; undefined when the file is no PE file. Checks nothing that is not needed to name it. */
export function readPe(bytes: Uint8Array): PeFile | undefined {
  if (bytes.length < SIGNATURE_AT + 4 || bytes[0] !== 0x4d || bytes[1] !== 0x5a) return undefined;
  const view = viewOf(bytes);
  const at = view.getUint32(SIGNATURE_AT, true);
  if (at + COFF_SIZE > bytes.length || view.getUint32(at, true) !== SIGNATURE) return undefined;
  const optional = at + COFF_SIZE;
  const table = optional + view.getUint16(at + 20, true);
  const count = Math.min(view.getUint16(at + 6, true), MAX_SECTIONS);
  return {
    machine: view.getUint16(at + 4, true),
    subsystem: optional + SUBSYSTEM_AT + 2 <= bytes.length ? view.getUint16(optional + SUBSYSTEM_AT, true) : 0,
    sections: Array.from({ length: count }, (_, i) => stringAt(bytes, table + i * SECTION_SIZE, NAME_SIZE)),
  };
}
