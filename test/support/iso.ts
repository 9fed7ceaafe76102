/** A bootable CD as a test makes it: ISO 9660 with files in the root, and a boot catalog (El Torito). */
/** Bytes of a sector. */
export const CD_SECTOR = 2048;
/** Sectors of what each CD has. */
export const AT = { PRIMARY: 16, BOOT_RECORD: 17, END: 18, CATALOG: 19, ROOT: 20, FILES: 21 } as const;

const bothEndian = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
};

/** A record of a directory (ISO 9660, 9.1). */
function record(name: string, sector: number, bytes: number, flags: number): Buffer {
  const length = 33 + name.length + ((name.length + 1) % 2);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  bothEndian(sector).copy(entry, 2);
  bothEndian(bytes).copy(entry, 10);
  entry[25] = flags;
  entry.writeUInt16LE(1, 28);
  entry.writeUInt16BE(1, 30);
  entry[32] = name.length;
  entry.write(name, 33, 'latin1');
  return entry;
}

const DIRECTORY = 2;

/** A file in the root. */
export interface CdFile {
  /** As ISO 9660 has it: `NAME.EXT;1`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** How the first file is started (El Torito, figure 3). */
export interface CdStart {
  /** 0: none; 1 to 3: a floppy; 4: a hard disk. */
  readonly emulation: number;
  /** Sectors of 512 bytes that are loaded. */
  readonly sectors: number;
}

/** Where each file goes. */
export function placed<T extends CdFile>(files: readonly T[]): (T & { readonly sector: number })[] {
  let next: number = AT.FILES;
  return files.map((file) => {
    const sector = next;
    next += Math.ceil(file.bytes.length / CD_SECTOR);
    return { ...file, sector };
  });
}

/** The CD. It boots the first file. */
export function bootableCd(files: readonly CdFile[], { emulation, sectors }: CdStart): Buffer {
  const there = placed(files);
  const last = there.at(-1)!;
  const total = last.sector + Math.ceil(last.bytes.length / CD_SECTOR);
  const cd = Buffer.alloc(total * CD_SECTOR);
  const put = (sector: number, bytes: Uint8Array, at = 0) => cd.set(bytes, sector * CD_SECTOR + at);
  const self = (name: string) => record(name, AT.ROOT, CD_SECTOR, DIRECTORY);
  put(AT.PRIMARY, Buffer.from('\x01CD001\x01', 'latin1'));
  put(AT.PRIMARY, bothEndian(total), 80);
  put(AT.PRIMARY, Uint8Array.of(0, 8, 8, 0), 128);
  put(AT.PRIMARY, self('\0'), 156);
  put(AT.BOOT_RECORD, Buffer.from('\x00CD001\x01EL TORITO SPECIFICATION', 'latin1'));
  cd.writeUInt32LE(AT.CATALOG, AT.BOOT_RECORD * CD_SECTOR + 0x47);
  put(AT.END, Buffer.from('\xffCD001\x01', 'latin1'));
  put(AT.CATALOG, Uint8Array.of(1), 0);
  put(AT.CATALOG, Uint8Array.of(0xaa, 0x55, 0x55, 0xaa), 28);
  put(AT.CATALOG, Uint8Array.of(0x88, emulation, 0, 0, 0, 0, sectors & 0xff, sectors >> 8), 32);
  cd.writeUInt32LE(there[0]!.sector, AT.CATALOG * CD_SECTOR + 40);
  const records = there.map(({ name, sector, bytes }) => record(name, sector, bytes.length, 0));
  put(AT.ROOT, Buffer.concat([self('\0'), self('\x01'), ...records]));
  for (const { sector, bytes } of there) put(sector, bytes);
  return cd;
}
