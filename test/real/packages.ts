/**
 * Debian packages at test time: `apt-get download` and `dpkg -x` into a cache folder. Needs no root, installs nothing,
 * and leaves the package lists of the system as they are. A package that was fetched once is not fetched again;
 * remove the folder to get a newer one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { scaled } from '../support/time.ts';

const NETWORK = ['-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=20'];

/** Why a package could not be had. Tests turn it into a skip that shows the reason. */
export class PackageUnavailable extends Error {}

/** Folder of everything fetched or built for tests; `$XDG_CACHE_HOME/vmlapse`, by default ~/.cache/vmlapse. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(base, 'vmlapse');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Root of the unpacked tree of a package. Meta packages are followed to the first package they depend on. */
export function packageTree(name: string): string {
  const tree = join(cacheFolder(), 'packages', isKernel(name) ? `${name}+virtio` : name);
  if (existsSync(tree)) return tree;
  const work = mkdtempSync(join(cacheFolder(), 'fetch-'));
  try {
    const archive = download(name, work);
    const fresh = join(work, 'tree');
    unpack(archive, fresh);
    if (isKernel(name)) unpackVirtioModules(archive, fresh);
    mkdirSync(join(cacheFolder(), 'packages'), { recursive: true });
    publish(fresh, tree);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return tree;
}

const isKernel = (name: string) => name.startsWith('linux-image-');

/** Kernel modules are nine tenths of a kernel package, and tests load few. */
function unpack(archive: string, to: string): void {
  mkdirSync(to);
  const pipeline = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --exclude=./lib/modules --exclude=./usr/lib/modules';
  run('sh', ['-c', pipeline, archive, to]);
}

function unpackVirtioModules(archive: string, to: string): void {
  const pipeline = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "*/virtio*.ko*"';
  run('sh', ['-c', pipeline, archive, to]);
}

/** Renames into place; another process that was faster has made an equal tree. */
function publish(fresh: string, place: string): void {
  try {
    renameSync(fresh, place);
  } catch (error) {
    if (!existsSync(place)) throw error;
  }
}

function download(name: string, folder: string): string {
  try {
    return downloadWith([], name, folder);
  } catch (first) {
    if (!(first instanceof PackageUnavailable)) throw first;
    return downloadWith(privateLists(folder), name, folder);
  }
}

function downloadWith(lists: readonly string[], name: string, folder: string): string {
  const options = [
    '-o',
    'APT::Sandbox::User=root',
    '-o',
    'Dir::Cache::pkgcache=',
    '-o',
    'Dir::Cache::srcpkgcache=',
    ...lists,
  ];
  const meta = run('apt-cache', [...options, 'depends', name]);
  const target = isMeta(name) ? (/Depends: (linux-image-\S+)/.exec(meta)?.[1] ?? name) : name;
  run('apt-get', [...options, ...NETWORK, '-qq', 'download', target], folder);
  const archive = readdirSync(folder).find((file) => file.startsWith(`${target}_`) && file.endsWith('.deb'));
  if (!archive) throw new PackageUnavailable(`apt-get download ${target} left no .deb`);
  return join(folder, archive);
}

/** A kernel meta package names no version; the package it depends on does. */
function isMeta(name: string): boolean {
  return isKernel(name) && !/\d/.test(name.replace('amd64', ''));
}

let listsFailure: PackageUnavailable | undefined;

/** Package lists of our own, for a machine whose lists are missing or stale: the same sources, another folder. */
function privateLists(folder: string): string[] {
  const state = join(folder, 'apt');
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(state, 'cache', 'archives', 'partial'), { recursive: true });
  const options = [
    '-o',
    `Dir::State::lists=${state}/lists`,
    '-o',
    `Dir::Cache=${state}/cache`,
    '-o',
    'Debug::NoLocking=1',
  ];
  // Without a network every package would wait for the same time-outs: fail once, then at once.
  if (listsFailure) throw listsFailure;
  try {
    run('apt-get', ['-o', 'APT::Sandbox::User=root', ...NETWORK, ...options, '-qq', 'update']);
  } catch (error) {
    if (error instanceof PackageUnavailable) listsFailure = error;
    throw error;
  }
  return options;
}

function run(command: string, args: readonly string[], cwd?: string): string {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: scaled(180_000),
      ...(cwd === undefined ? {} : { cwd }),
    });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    const reason = code === 'ENOENT' ? 'not installed' : (stderr?.trim().split('\n').at(-1) ?? String(error));
    throw new PackageUnavailable(`${command} ${args.at(-1)}: ${reason}`);
  }
}
