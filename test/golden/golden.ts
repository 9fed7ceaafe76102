/** Stores that an earlier release made, and what it knew of them when it made them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Oracle } from '../snapshot/store/support.ts';

/** The file beside a store in its archive: a {@link GoldenStore}. */
export const KNOWN = 'known.json';

/** What is known of a checkpoint. JSON. */
export interface GoldenCheckpoint {
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly label: string;
  readonly parent?: Digest | undefined;
  /** The first 16 hex digits of the sha256 of each page that is not zero, by page number. */
  readonly pages: Readonly<Record<string, string>>;
  /** What the guest prints from here to its end. */
  readonly says?: string;
}

export interface GoldenStore {
  readonly checkpoints: readonly GoldenCheckpoint[];
}

/** The pages of a memory in the form of {@link GoldenCheckpoint.pages}. */
export function pageHashes(memory: Oracle): Record<string, string> {
  const pages = [...memory].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    pages
      .filter(([, page]) => page.some((byte) => byte !== 0))
      .map(([number, page]) => [number, createHash('sha256').update(page).digest('hex').slice(0, 16)]),
  );
}

/** Where the stores are: beside the source of this file, since they are not built. */
export function goldenFolder(): string {
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package.json'))) root = join(root, '..');
  return join(root, 'test', 'golden');
}

/** The releases that have golden stores. */
export const goldenReleases = (): string[] =>
  readdirSync(goldenFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

/** Unpacks a store of a release into a new directory `path`. */
export function unpackGolden(release: string, name: string, path: string): GoldenStore {
  mkdirSync(path);
  execFileSync('tar', ['-xzf', join(goldenFolder(), release, `${name}.tar.gz`), '-C', path]);
  const known = readFileSync(join(path, KNOWN), 'utf8');
  rmSync(join(path, KNOWN));
  return JSON.parse(known);
}
