/**
 * A disk whose calls fail, one at a time, for a whole operation: the calls of node:fs themselves are replaced, those that
 * read too, so that nothing that touches the directory goes unseen, whichever part of the program makes it.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve } from 'node:path';

/** A call that the operation made. */
export interface FsCall {
  readonly name: string;
  readonly path: string;
  /** It puts something on the disk, so that it fails on a full one. */
  readonly takesRoom: boolean;
}

type AnyFunction = (...args: never[]) => unknown;
const table = fs as unknown as Record<string, AnyFunction>;

const BY_PATH = [
  'openSync', 'mkdirSync', 'rmdirSync', 'renameSync', 'unlinkSync', 'linkSync', 'statSync', 'lstatSync', 'readdirSync', 'readFileSync',
  'writeFileSync', 'readlinkSync', 'copyFileSync', 'truncateSync', 'utimesSync', 'chmodSync',
]; // biome-ignore format: a list reads better in rows
const BY_FD = [
  'readSync',
  'writeSync',
  'writevSync',
  'readvSync',
  'fsyncSync',
  'fdatasyncSync',
  'ftruncateSync',
  'fstatSync',
  'closeSync',
];
const TAKE_ROOM = new Set([
  'mkdirSync',
  'renameSync',
  'linkSync',
  'writeFileSync',
  'copyFileSync',
  'writeSync',
  'writevSync',
  'fsyncSync',
  'ftruncateSync',
]);
const { O_CREAT } = fs.constants;
const creates = (flags: unknown) =>
  typeof flags === 'number' ? (flags & O_CREAT) !== 0 : typeof flags === 'string' && /^[wa]/.test(flags);

/**
 * Counts the calls below `directory` and fails number `failAt` of them, from 0, with `errno`. A file whose closing fails is
 * closed; one that was only read is closed without counting, for that cannot fail. Dispose it to have the real calls back.
 */
export class FailingFs implements Disposable {
  readonly calls: FsCall[] = [];
  readonly #directory: string;
  readonly #failAt: number;
  readonly #errno: string;
  readonly #files = new Map<number, { readonly path: string; readonly written: boolean }>();
  readonly #real = new Map<string, AnyFunction>();

  constructor(directory: string, failAt = Number.POSITIVE_INFINITY, errno = 'EIO') {
    this.#directory = resolve(directory);
    this.#failAt = failAt;
    this.#errno = errno;
    for (const name of BY_PATH)
      this.#replace(name, (first) => (typeof first === 'string' ? resolve(first) : undefined));
    for (const name of BY_FD) this.#replace(name, (first) => this.#files.get(first as number)?.path);
    syncBuiltinESMExports();
  }

  /** The call that failed, once it has. */
  get failed(): FsCall | undefined {
    return this.calls[this.#failAt];
  }

  #replace(name: string, pathOf: (first: unknown) => string | undefined): void {
    const real = table[name]!;
    this.#real.set(name, real);
    table[name] = (...args: never[]) => {
      const path = pathOf(args[0]);
      if (path === undefined || !path.startsWith(this.#directory)) return real(...args);
      const fd = args[0] as unknown as number;
      const onlyRead = this.#files.get(fd)?.written === false;
      if (name === 'closeSync') this.#files.delete(fd);
      if (name === 'closeSync' && onlyRead) return real(...args);
      const written = name === 'openSync' && creates(args[1]);
      this.calls.push({ name, path, takesRoom: written || TAKE_ROOM.has(name) });
      if (this.calls.length - 1 === this.#failAt) {
        if (name === 'closeSync') real(...args);
        const syscall = name.replace('Sync', '');
        throw Object.assign(new Error(`${this.#errno}: made to fail, ${syscall}`), { code: this.#errno, syscall });
      }
      const answer = real(...args);
      if (name === 'openSync') this.#files.set(answer as number, { path, written });
      return answer;
    };
  }

  [Symbol.dispose](): void {
    for (const [name, real] of this.#real) table[name] = real;
    syncBuiltinESMExports();
  }
}
