/** A cpio archive in the "newc" form, which Linux unpacks as its first file system (Documentation/driver-api/early-userspace/buffer-format.rst). */

/** One file, folder or link of an archive. `mode` holds the type and the permissions, as st_mode does. */
export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content?: Uint8Array;
}

export const folder = (path: string): CpioEntry => ({ path, mode: 0o040755 });
export const program = (path: string, content: Uint8Array): CpioEntry => ({ path, mode: 0o100755, content });

/** The archive, with its trailer. Entries keep their order: folders before what is in them. */
export function cpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = [...entries, { path: 'TRAILER!!!', mode: 0 }];
  return Buffer.concat(all.flatMap((entry, i) => record(entry, i + 1)));
}

function record({ path, mode, content = new Uint8Array() }: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${path}\0`, 'utf8');
  const links = 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`, 'latin1');
  return [...padded(Buffer.concat([header, name])), ...padded(content)];
}

function padded(bytes: Uint8Array): Uint8Array[] {
  return [bytes, new Uint8Array(-bytes.length & 3)];
}
