/**
 * A store of checkpoints: an OCI image layout directory (opencontainers/image-spec, image-layout.md). Everything here
 * is synchronous: call it from a thread that may wait.
 */
import { dirname, join, resolve } from 'node:path';
import { Blobs } from './blobs.ts';
import { Chain } from './chain.ts';
import { Checkpoint } from './checkpoint.ts';
import { openTip, type Tip, writeCheckpoint } from './commit.ts';
import { corrupt, type Digest, storeError } from './digest.ts';
import {
  type CheckpointConfig,
  type Descriptor,
  encodeIndex,
  type Manifest,
  parseConfig,
  parseIndex,
  type StoreIndex,
} from './documents.ts';
import { FrameCache } from './frame-cache.ts';
import { readSmallFile, realFs, type StoreFs, withIo } from './fs-layer.ts';
import { collectGarbage, type GcOptions, type GcReport } from './gc.ts';
import { EMPTY_INDEX, isHead, withCommit, withoutCheckpoint, withoutTag, withTag } from './heads.ts';
import { type LogEntry, logOf, readManifest, walk } from './history.ts';
import { LayerPool } from './layer-pool.ts';
import { MAX_CONFIG_BYTES, MAX_INDEX_BYTES } from './limits.ts';
import { acquireLock, type Lock } from './lock.ts';
import { orderRuns, type PageRun } from './page-runs.ts';
import { checkTag, resolveRef } from './refs.ts';
import { type VerifyReport, verifyStore } from './verify.ts';

/** How a store is opened. */
export interface StoreOptions {
  /** Makes the directory and an empty store where there is none. */
  readonly create?: boolean;
  /** Refuses everything that writes. */
  readonly readOnly?: boolean;
  /** How long a writer waits for another, in milliseconds. Default 10,000. */
  readonly lockTimeoutMs?: number;
  /** Decompressed frames kept, in bytes. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Helper threads for compression. Default 0. */
  readonly threads?: number;
  /** The file system calls, for tests. */
  readonly fs?: StoreFs;
}

/** What a checkpoint is taken of. */
export interface CommitInput {
  readonly config: CheckpointConfig;
  /**
   * First checkpoint: all memory that is not surely zero. With a parent: all pages that may have changed since. The
   * bytes are read during the call.
   */
  readonly runs: Iterable<PageRun>;
  /** The checkpoint that pages not given are taken from. */
  readonly parent?: Digest;
  readonly tags?: readonly string[];
  readonly label?: string;
  /** Numbers to keep with it (`pauseUs`, `rounds` …); the store adds its own. */
  readonly stats?: Readonly<Record<string, number>>;
  /** zstd level. Default 1; more gains under 5 % on memory. */
  readonly level?: number;
  /** RFC 3339; default: now. */
  readonly time?: string;
}

/** A commit that is done and on disk. `stats` is what the manifest keeps. */
export interface CommitResult {
  readonly digest: Digest;
  readonly stats: Readonly<Record<string, number>>;
}

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** Opens a store. Throws CheckpointError NOT_A_STORE, or what reading its files throws. */
export function openStore(directory: string, options: StoreOptions = {}): Store {
  return new Store(directory, options);
}

export class Store implements Disposable {
  readonly directory: string;
  readonly blobs: Blobs;
  readonly #options: StoreOptions;
  readonly #pool: LayerPool;
  #tip: Tip | undefined;

  /** Use {@link openStore}. */
  constructor(directory: string, options: StoreOptions) {
    this.directory = directory;
    this.#options = options;
    this.blobs = new Blobs(directory, options.fs ?? realFs);
    this.#pool = new LayerPool(this.blobs, new FrameCache(options.cacheBytes ?? 64 * 2 ** 20));
    if (options.create && !options.readOnly) this.#create();
    this.#checkLayout();
    this.index();
  }

  #create(): void {
    const { fs, directory } = this.blobs;
    const layout = join(this.directory, 'oci-layout');
    if (readSmallFile(layout, 4096) && readSmallFile(join(this.directory, 'index.json'), MAX_INDEX_BYTES)) return;
    withIo('cannot create', this.directory, () => {
      fs.mkdir(directory);
      fs.syncDir(dirname(resolve(this.directory)));
      fs.syncDir(dirname(directory));
    });
    using _ = this.lock();
    if (!readSmallFile(layout, 4096)) this.blobs.replace('oci-layout', Buffer.from(LAYOUT));
    if (!readSmallFile(join(this.directory, 'index.json'), MAX_INDEX_BYTES)) this.writeIndex(EMPTY_INDEX);
  }

  #checkLayout(): void {
    const path = join(this.directory, 'oci-layout');
    const bytes = readSmallFile(path, 4096);
    if (!bytes)
      throw storeError(
        'NOT_A_STORE',
        `${this.directory} is not a store: it has no oci-layout file — check the path, or create one with --store`,
      );
    if (!/"imageLayoutVersion"\s*:\s*"1\./.test(Buffer.from(bytes).toString('latin1')))
      throw corrupt(path, 'is not of OCI image layout version 1');
  }

  /** index.json as it is now. */
  index(): StoreIndex {
    const path = join(this.directory, 'index.json');
    const bytes = readSmallFile(path, MAX_INDEX_BYTES);
    if (!bytes) throw corrupt(path, 'is missing');
    return parseIndex(bytes, path);
  }

  /** Replaces index.json. Call with the lock held, after everything it names is durable. */
  writeIndex(index: StoreIndex): void {
    this.blobs.replace('index.json', encodeIndex(index));
  }

  /** Takes the writers' lock and clears what a crashed writer left. Throws LOCKED or READ_ONLY. */
  lock(): Lock {
    if (this.#options.readOnly) throw storeError('READ_ONLY', `${this.directory} was opened for reading only`);
    const { fs, temporary } = this.blobs;
    const lock = acquireLock(fs, join(this.directory, 'locks'), this.#options.lockTimeoutMs ?? 10_000);
    try {
      withIo('cannot make', temporary, () => fs.mkdir(temporary));
      withIo('cannot make', this.blobs.directory, () => fs.mkdir(this.blobs.directory));
      this.blobs.clearTemporary();
      return lock;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  #change(change: (index: StoreIndex) => StoreIndex): void {
    using _ = this.lock();
    this.writeIndex(change(this.index()));
  }

  /** Takes a checkpoint. When it returns, the checkpoint is complete and on disk; when it throws, there is none. */
  commit(input: CommitInput): CommitResult {
    for (const tag of input.tags ?? []) checkTag(tag);
    const runs = orderRuns(input.runs);
    using _ = this.lock();
    const tip = this.#tipAt(input.parent);
    return this.#write(tip, { ...input, runs }, input.parent, false);
  }

  /** A checkpoint of the same content without a parent and without earlier layers. */
  squash(ref: string, tags: readonly string[] = []): CommitResult {
    for (const tag of tags) checkTag(tag);
    using _ = this.lock();
    const digest = this.resolve(ref);
    const manifest = readManifest(this.blobs, digest);
    const { label, time, stats } = manifest;
    const input = {
      config: this.#config(manifest),
      runs: [],
      tags,
      time,
      stats,
      ...(label !== undefined && { label }),
    };
    return this.#write(this.#tipAt(digest), input, undefined, true);
  }

  #write(
    tip: Tip,
    input: CommitInput & { readonly runs: readonly PageRun[] },
    parent: Digest | undefined,
    all: boolean,
  ) {
    this.#tip = undefined;
    try {
      const { config, runs, label, stats = {}, level = 1, time = new Date().toISOString() } = input;
      const threads = this.#options.threads ?? 0;
      const fresh = {
        config,
        runs,
        time,
        stats,
        level,
        threads,
        ...(parent && { parent }),
        ...(label !== undefined && { label }),
      };
      const written = writeCheckpoint(this.blobs, tip, fresh, all);
      this.writeIndex(withCommit(this.index(), written.head, parent, input.tags ?? []));
      this.#tip = written.tip;
      return { digest: written.head.digest, stats: written.stats };
    } catch (error) {
      tip[Symbol.dispose]();
      throw error;
    }
  }

  #tipAt(parent: Digest | undefined): Tip {
    if (!parent) return openTip(new Chain(this.#pool), undefined);
    const { layers } = readManifest(this.blobs, parent);
    if (this.#tip?.digest === parent) return this.#tip;
    this.#tip?.[Symbol.dispose]();
    this.#tip = undefined;
    return openTip(Chain.open(this.#pool, layers), parent);
  }

  /** The digest that a reference names: tag, `latest`, digest or its start, and `~N`. */
  resolve(ref: string): Digest {
    return resolveRef(this.blobs, this.index(), ref);
  }

  /** A manifest by digest. */
  manifest(digest: Digest): Manifest {
    return readManifest(this.blobs, digest);
  }

  /** Opens a checkpoint for reading. Dispose it after use. */
  open(ref: string): Checkpoint {
    const digest = this.resolve(ref);
    const manifest = readManifest(this.blobs, digest);
    const config = this.#config(manifest);
    return new Checkpoint(digest, manifest, config, Chain.open(this.#pool, manifest.layers));
  }

  #config({ config }: Manifest): CheckpointConfig {
    return parseConfig(this.blobs.read(config.digest, MAX_CONFIG_BYTES, config.size), `config ${config.digest}`);
  }

  /** All checkpoints, newest first. One that cannot be read is an error; other images in the layout are passed over. */
  log(): LogEntry[] {
    const index = this.index();
    const commits = walk(this.blobs, index, (_, error) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'NOT_A_CHECKPOINT')) throw error;
    });
    return logOf(index, commits);
  }

  /** Names a checkpoint. A name that is taken moves. */
  tag(ref: string, name: string): void {
    checkTag(name);
    this.#change((index) => withTag(index, this.#descriptor(resolveRef(this.blobs, index, ref)), name));
  }

  /** Takes a name away; the checkpoint stays. Throws NOT_FOUND. */
  untag(name: string): void {
    this.#change((index) => {
      if (index.heads.some(({ tag }) => tag === name)) return withoutTag(index, name);
      throw storeError('NOT_FOUND', `no checkpoint has the tag ${JSON.stringify(name)} — see \`vmlapse log\``);
    });
  }

  /** Removes a checkpoint under all its names. Its parent and its children stay; {@link gc} frees the room. */
  remove(ref: string): Digest {
    using _ = this.lock();
    const index = this.index();
    const digest = resolveRef(this.blobs, index, ref);
    const { parent } = readManifest(this.blobs, digest);
    const successor = parent && this.blobs.sizeOf(parent) !== undefined ? this.#descriptor(parent) : undefined;
    this.writeIndex(withoutCheckpoint(index, digest, successor));
    this.blobs.fs.unlink(this.blobs.path(digest));
    this.blobs.sync();
    return digest;
  }

  /** Removes every file that no checkpoint needs. */
  gc(options: GcOptions = {}): GcReport {
    using _ = this.lock();
    return collectGarbage(this.blobs, this.index(), options);
  }

  /** Checks everything that can be reached: every digest, frame and page. Damage is reported, not thrown. */
  verify(): VerifyReport {
    return verifyStore(this.blobs, this.#pool, this.index());
  }

  /** Adds a checkpoint whose blobs are all in place, as a head or under a tag. Call with the lock held. */
  adopt(head: Descriptor, tag: string | undefined): void {
    this.blobs.sync();
    const index = this.index();
    if (tag !== undefined) this.writeIndex(withTag(index, head, tag));
    else if (!isHead(index, head.digest)) this.writeIndex({ ...index, heads: [...index.heads, head] });
  }

  #descriptor(digest: Digest): Descriptor {
    readManifest(this.blobs, digest);
    return { digest, size: this.blobs.sizeOf(digest)! };
  }

  /** Closes files. */
  [Symbol.dispose](): void {
    this.#tip?.[Symbol.dispose]();
    this.#tip = undefined;
  }
}
