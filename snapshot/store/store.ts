/**
 * A store of checkpoints: an OCI image layout directory (opencontainers/image-spec, image-layout.md). Everything here
 * is synchronous: call it from a thread that may wait.
 */
import { checkArguments, PATH } from '../../src/arguments.ts';
import { CheckpointError } from '../../src/errors.ts';
import { checkOptions } from '../../src/options.ts';
import { openTip, type Tip, writeCheckpoint } from './commit.ts';
import { Blobs, readManifest, unlinkIfThere } from './disk/blobs.ts';
import { realFs } from './disk/fs-layer.ts';
import {
  checkLayout,
  createLayout,
  keepUnfinished,
  lockStore,
  readIndex,
  readUnlocked,
  writeIndex,
  writeIndexAnd,
} from './disk/layout.ts';
import type { Lock } from './disk/lock.ts';
import { type Digest, storeError } from './format/digest.ts';
import { type CheckpointConfig, type Descriptor, type Manifest, parseConfig } from './format/documents.ts';
import type { StoreIndex } from './format/index-file.ts';
import { MAX_CONFIG_BYTES, MAX_RECORDING_BYTES } from './format/limits.ts';
import { collectGarbage, GC_OPTIONS, type GcOptions, type GcReport } from './history/gc.ts';
import { withCommit, withHeads, withoutCheckpoint, withoutTag, withTag } from './history/heads.ts';
import { endsOf, type LogEntry, logOf, otherCheckpoints, survey, walk } from './history/history.ts';
import { checkTags, resolveRef } from './history/refs.ts';
import { type BlobSource, fetchAgain, repairLayout } from './history/repair.ts';
import { type VerifyReport, verifyStore } from './history/verify.ts';
import { Chain } from './memory/chain.ts';
import { Checkpoint } from './memory/checkpoint.ts';
import { FrameCache } from './memory/frame-cache.ts';
import { LayerPool } from './memory/layer-pool.ts';
import {
  type CommitInput,
  type CommitResult,
  type OnProgress,
  orderRuns,
  type PageRun,
  STORE_OPTIONS,
  type StoreOptions,
} from './store-types.ts';

export type { CommitInput, CommitResult, OnProgress, StoreOptions } from './store-types.ts';

/** Opens a store. Throws CheckpointError NOT_A_STORE, or what reading its files throws. */
export function openStore(directory: string, options: StoreOptions = {}): Store {
  checkArguments('openStore', [directory, PATH]);
  checkOptions(options, STORE_OPTIONS);
  return new Store(directory, options);
}

/**
 * A store of checkpoints: a directory that is an OCI image layout. {@link openStore} gives one.
 *
 * @example
 * ```ts
 * import { openStore } from 'vmlapse';
 *
 * using store = openStore('lab');
 * for (const { digest, label } of store.log()) console.log(digest, label);
 * store.tag('latest', 'keep');
 * console.log(store.verify().problems.length); // 0
 * ```
 */
export class Store implements Disposable {
  readonly directory: string;
  readonly blobs: Blobs;
  /** What opening it with `repair` has done, in words. */
  readonly repaired: readonly string[] = [];
  readonly #options: StoreOptions;
  readonly #pool: LayerPool;
  #tip: Tip | undefined;

  /** Use {@link openStore}. */
  constructor(directory: string, options: StoreOptions) {
    this.directory = directory;
    this.#options = options;
    this.blobs = new Blobs(directory, options.fs ?? realFs);
    this.#pool = new LayerPool(this.blobs, new FrameCache(options.cacheBytes ?? 64 * 2 ** 20));
    if (options.repair && !options.readOnly) this.repaired = repairLayout(this.blobs, this.#lockTimeoutMs);
    if (options.create && !options.readOnly) createLayout(this.blobs, this.#lockTimeoutMs);
    checkLayout(this.blobs);
    this.index();
  }

  get #lockTimeoutMs(): number {
    return this.#options.lockTimeoutMs ?? 10_000;
  }

  /** index.json as it is now. */
  index(): StoreIndex {
    return readIndex(this.blobs);
  }

  /** Takes the writers' lock and clears what a crashed writer left. Throws LOCKED or READ_ONLY. */
  lock(): Lock {
    if (this.#options.readOnly) throw storeError('READ_ONLY', `${this.directory} was opened for reading only`);
    return lockStore(this.blobs, this.#lockTimeoutMs);
  }

  /** For a writer that has no lock yet: its unfinished files stay until this is disposed. Throws LOCKED or READ_ONLY. */
  keepUnfinished(): Lock {
    this.lock().release();
    return keepUnfinished(this.blobs, this.#lockTimeoutMs);
  }

  #change(change: (index: StoreIndex) => StoreIndex): void {
    using _ = this.lock();
    writeIndex(this.blobs, change(this.index()));
  }

  /** Takes a checkpoint. When it returns, the checkpoint is complete and on disk; when it throws, there is none. */
  commit(input: CommitInput): CommitResult {
    const runs = orderRuns(input.runs);
    using _ = this.lock();
    checkTags(this.index(), input.tags ?? []);
    const tip = this.#tipAt(input.parent);
    return this.#write(tip, { ...input, runs }, input.parent, false);
  }

  /** A checkpoint of the same content without a parent and without earlier layers. */
  squash(ref: string, tags: readonly string[] = [], onProgress?: OnProgress): CommitResult {
    using _ = this.lock();
    checkTags(this.index(), tags);
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
      ...(onProgress && { onProgress }),
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
      const { config, runs, label, recording, stats = {}, level = 1, deltas = true, onProgress } = input;
      const time = input.time ?? new Date().toISOString();
      const fresh = { config, runs, parent, label, recording, time, stats, level, deltas, onProgress };
      const written = writeCheckpoint(this.blobs, tip, fresh, all);
      writeIndex(this.blobs, withCommit(this.index(), written.head, parent, input.tags ?? []));
      this.#tip = written.tip;
      return { digest: written.head.digest, stats: written.stats };
    } catch (error) {
      tip[Symbol.dispose]();
      throw error;
    }
  }

  #tipAt(parent: Digest | undefined): Tip {
    const layers = parent && readManifest(this.blobs, parent).layers;
    if (parent && this.#tip?.digest === parent) return this.#tip;
    this.#tip?.[Symbol.dispose]();
    this.#tip = undefined;
    return openTip(layers ? Chain.open(this.#pool, layers) : new Chain(this.#pool), parent);
  }

  /** The digest that a reference names: tag, `latest`, digest or its start, and `~N`. */
  resolve(ref: string): Digest {
    return readUnlocked(this.blobs, (index) => resolveRef(this.blobs, index, ref));
  }

  /** A manifest by digest. */
  manifest(digest: Digest): Manifest {
    return readManifest(this.blobs, digest);
  }

  /** A machine description by the checkpoint's digest. */
  config(digest: Digest): CheckpointConfig {
    return readUnlocked(this.blobs, () => this.#config(this.manifest(digest)));
  }

  /** The recording that leads from a checkpoint's parent to it, checked; undefined where it has none. */
  recording(digest: Digest): Uint8Array | undefined {
    return readUnlocked(this.blobs, () => {
      const { recording } = this.manifest(digest);
      return recording && this.blobs.read(recording.digest, MAX_RECORDING_BYTES, recording.size);
    });
  }

  /**
   * Opens a checkpoint for reading. Dispose it after use. With `lazy`, its layers are opened when a page is first asked for:
   * quick where none may be, but they may be removed until then.
   */
  open(ref: string, { lazy = false }: { readonly lazy?: boolean } = {}): Checkpoint {
    return readUnlocked(this.blobs, (index) => {
      const digest = resolveRef(this.blobs, index, ref);
      const manifest = readManifest(this.blobs, digest);
      const config = this.#config(manifest);
      const chain = () => Chain.open(this.#pool, manifest.layers);
      const { directory } = this;
      return new Checkpoint({ digest, info: manifest, config, directory }, lazy ? chain : chain());
    });
  }

  #config({ config }: Manifest): CheckpointConfig {
    return parseConfig(this.blobs.read(config.digest, MAX_CONFIG_BYTES, config.size), `config ${config.digest}`);
  }

  /**
   * All checkpoints, newest first. What cannot be read goes to `failed`, or is thrown where that is not given; other
   * images in the layout are passed over.
   */
  log(failed?: (digest: Digest, error: unknown) => void): LogEntry[] {
    const { index, commits, damaged } = survey(this.blobs);
    for (const [digest, error] of damaged) {
      if (!failed) throw error;
      failed(digest, error);
    }
    return logOf(index, commits);
  }

  /** Names a checkpoint. A name that is taken by another checkpoint moves. Throws BAD_TAG or NAME_TAKEN. */
  tag(ref: string, name: string): void {
    this.#change((index) => {
      checkTags(index, [name]);
      return withTag(index, this.#descriptor(resolveRef(this.blobs, index, ref)), name);
    });
  }

  /** The names that checkpoints have, each with its checkpoint's digest. */
  tags(): ReadonlyMap<string, Digest> {
    return new Map(
      this.index().heads.flatMap(({ tag, digest }) => (tag === undefined ? [] : [[tag, digest] as const])),
    );
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
    const without = withoutCheckpoint(index, digest, this.#successorsOf(digest, index));
    writeIndexAnd(this.blobs, index, without, () => unlinkIfThere(this.blobs.fs, this.blobs.path(digest)));
    this.blobs.sync();
    return digest;
  }

  /** What becomes a head where a checkpoint goes: its parent. That of a damaged one is among those nothing else reaches. */
  #successorsOf(digest: Digest, index: StoreIndex): Descriptor[] {
    try {
      const { parent } = readManifest(this.blobs, digest);
      const size = parent && this.blobs.sizeOf(parent);
      return parent && size !== undefined ? [{ digest: parent, size }] : [];
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      const reached = walk(
        (other) => readManifest(this.blobs, other),
        index,
        () => {},
      );
      return endsOf(this.blobs, otherCheckpoints(this.blobs, reached));
    }
  }

  /** Removes every file that no checkpoint needs; a dry run needs no lock. */
  gc(options: GcOptions = {}): GcReport {
    checkOptions(options, GC_OPTIONS);
    const collect = (index: StoreIndex) => collectGarbage(this.blobs, index, options);
    if (options.dryRun) return readUnlocked(this.blobs, collect, ({ missing }) => missing).report;
    using _ = this.lock();
    return collect(this.index()).report;
  }

  /** Checks everything that can be reached: every digest, frame and page. Damage is reported, not thrown. */
  verify(): VerifyReport {
    return verifyStore(this.blobs);
  }

  /** Fetches damaged and missing blobs again from another place, as far as it has them. */
  fetchAgain(source: BlobSource) {
    this.lock().release();
    return fetchAgain(this.blobs, this.#lockTimeoutMs, source);
  }

  /** Adds a checkpoint whose blobs are all in place, as a head or under a tag. Call with the lock held. */
  adopt(head: Descriptor, tag: string | undefined): void {
    this.blobs.sync();
    const index = this.index();
    checkTags(index, tag === undefined ? [] : [tag]);
    writeIndex(this.blobs, tag === undefined ? withHeads(index, [head]) : withTag(index, head, tag));
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
