/**
 * A disk whose calls fail, or have something else done before them, one at a time, for a whole operation: the calls of node:fs themselves are replaced, those that
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
 * Counts the calls below `directory`, and before each runs `before`, whose own calls do not count. A file that was only
 * read is closed without counting, for that cannot fail. Dispose it to have the real calls back.
 */
export class HookedFs implements Disposable {
  readonly calls: FsCall[] = [];
  readonly #directory: string;
  readonly #before: (call: FsCall, number: number) => void;
  #inside = false;
  readonly #files = new Map<number, { readonly path: string; readonly written: boolean }>();
  readonly #real = new Map<string, AnyFunction>();

  constructor(directory: string, before: (call: FsCall, number: number) => void) {
    this.#directory = resolve(directory);
    this.#before = before;
    for (const name of BY_PATH)
      this.#replace(name, (first) => (typeof first === 'string' ? resolve(first) : undefined));
    for (const name of BY_FD) this.#replace(name, (first) => this.#files.get(first as number)?.path);
    syncBuiltinESMExports();
  }

  #replace(name: string, pathOf: (first: unknown) => string | undefined): void {
    const real = table[name]!;
    this.#real.set(name, real);
    table[name] = (...args: never[]) => {
      const path = pathOf(args[0]);
      if (this.#inside || path === undefined || !path.startsWith(this.#directory)) return real(...args);
      const fd = args[0] as unknown as number;
      const onlyRead = this.#files.get(fd)?.written === false;
      if (name === 'closeSync') this.#files.delete(fd);
      if (name === 'closeSync' && onlyRead) return real(...args);
      const written = name === 'openSync' && creates(args[1]);
      const call = { name, path, takesRoom: written || TAKE_ROOM.has(name) };
      this.calls.push(call);
      try {
        this.#inside = true;
        this.#before(call, this.calls.length - 1);
      } catch (error) {
        if (name === 'closeSync') real(...args);
        throw error;
      } finally {
        this.#inside = false;
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

/** Fails call number `failAt`, from 0, with `errno`. A file whose closing fails is closed. */
export class FailingFs extends HookedFs {
  readonly #failAt: number;

  constructor(directory: string, failAt = Number.POSITIVE_INFINITY, errno = 'EIO') {
    super(directory, ({ name }, number) => {
      if (number !== failAt) return;
      const syscall = name.replace('Sync', '');
      throw Object.assign(new Error(`${errno}: made to fail, ${syscall}`), { code: errno, syscall });
    });
    this.#failAt = failAt;
  }

  /** The call that failed, once it has. */
  get failed(): FsCall | undefined {
    return this.calls[this.#failAt];
  }
}
