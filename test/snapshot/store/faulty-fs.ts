/**
 * A disk that fails on demand. It counts the changing calls and, at the chosen one, loses power or reports an error.
 * Losing power also undoes, at random, what was not yet made durable: data without fsync, and directory entries
 * (renames, unlinks, new directories) without fsync of the directory.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { realFs, type StoreFs } from '../../../snapshot/store/disk/fs-layer.ts';

/** What is thrown when the power is gone. */
export class PowerLoss extends Error {}

interface Undo {
  readonly directory: string;
  undo(): void;
}

export class FaultyDisk {
  /** Changing calls so far, and their names. */
  readonly calls: string[] = [];
  readonly #failAt: number;
  readonly #errno: string | undefined;
  readonly #pending: Undo[] = [];
  readonly #unsynced = new Map<string, number>();
  readonly #paths = new Map<number, string>();
  #dead = false;

  /** Fails at call number `failAt`, counted from 0: with `errno` once, or without it for good. */
  constructor(failAt: number, errno?: string) {
    this.#failAt = failAt;
    this.#errno = errno;
  }

  #step(name: string): void {
    if (this.#dead) throw new PowerLoss('the power is gone');
    this.calls.push(name);
    if (this.calls.length - 1 !== this.#failAt) return;
    if (this.#errno !== undefined) throw Object.assign(new Error(this.#errno), { code: this.#errno });
    this.#dead = true;
    throw new PowerLoss(`the power went at call ${this.#failAt}, ${name}`);
  }

  #entry(path: string, undo: () => void): void {
    this.#pending.push({ directory: dirname(resolve(path)), undo });
  }

  readonly fs: StoreFs = {
    mkdir: (path) => {
      this.#step('mkdir');
      const missing: string[] = [];
      for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
      realFs.mkdir(path);
      for (const made of missing.reverse()) this.#entry(made, () => rmSync(made, { recursive: true, force: true }));
    },
    create: (path) => {
      this.#step('create');
      const fd = realFs.create(path);
      this.#paths.set(fd, path);
      this.#entry(path, () => rmSync(path, { force: true }));
      return fd;
    },
    write: (fd, bytes) => {
      const half = bytes.subarray(0, Math.ceil(bytes.length / 2));
      const path = this.#paths.get(fd)!;
      if (!this.#unsynced.has(path)) this.#unsynced.set(path, readFileSync(path).length);
      if (this.calls.length === this.#failAt) realFs.write(fd, half);
      this.#step('write');
      return realFs.write(fd, bytes.length > 100 ? half : bytes);
    },
    fsync: (fd) => {
      this.#step('fsync');
      realFs.fsync(fd);
      this.#unsynced.delete(this.#paths.get(fd)!);
    },
    close: (fd) => {
      realFs.close(fd);
      this.#paths.delete(fd);
    },
    rename: (from, to) => {
      this.#step('rename');
      const before = existsSync(to) ? readFileSync(to) : undefined;
      realFs.rename(from, to);
      const unsynced = this.#unsynced.get(from);
      if (unsynced !== undefined) this.#unsynced.set(to, unsynced);
      this.#unsynced.delete(from);
      this.#entry(to, () => {
        if (!existsSync(to)) return;
        if (!existsSync(from)) renameSync(to, from);
        else unlinkSync(to);
        if (before) writeFileSync(to, before);
      });
    },
    syncDir: (path) => {
      this.#step('syncDir');
      realFs.syncDir(path);
      const kept = this.#pending.filter(({ directory }) => directory !== resolve(path));
      this.#pending.splice(0, this.#pending.length, ...kept);
    },
    unlink: (path) => {
      this.#step('unlink');
      const saved = `${path}.unlinked`;
      linkSync(path, saved);
      realFs.unlink(path);
      const content = readFileSync(saved);
      unlinkSync(saved);
      this.#unsynced.delete(path);
      this.#entry(path, () => writeFileSync(path, content));
    },
    rmdir: (path) => {
      this.#step('rmdir');
      realFs.rmdir(path);
      this.#entry(path, () => mkdirSync(path));
    },
  };

  /** What the disk looks like when the power is back. `chance`: how often something not durable is lost, 0 to 1. */
  powerCut(chance: number, next: (limit: number) => number): void {
    this.#dead = true;
    for (const fd of this.#paths.keys()) realFs.close(fd);
    this.#paths.clear();
    for (const [path, length] of this.#unsynced)
      if (existsSync(path) && next(100) < chance * 100) truncateSync(path, length);
    for (const { undo } of this.#pending.reverse()) if (next(100) < chance * 100) undo();
    this.#pending.length = 0;
  }
}
