/** The C floors and the guests they run: compiled on first use into bench/build, again when a source is newer. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGuests } from '../guests/builder/build.ts';
import type { BuildRecipe } from '../guests/guest.ts';
import { vcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import { Machine } from '../src/machine/machine.ts';

/** The project's root folder; this file runs as dist/bench/native.js. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = join(ROOT, 'bench', 'c');
const GUESTS = join(ROOT, 'bench', 'guests');
const BUILD = join(ROOT, 'bench', 'build');

/** Names of the C programs. */
export const FLOORS = [
  'port-loop',
  'load-elf',
  'rollback',
  'restore',
  'dirty-scan',
  'stop-copy',
  'wp-pause',
  'kick',
  'slowdown',
  'step',
] as const;
export type Floor = (typeof FLOORS)[number];

const newest = (folder: string) => Math.max(...readdirSync(folder).map((file) => statSync(join(folder, file)).mtimeMs));

function upToDate(output: string, sources: string): boolean {
  return existsSync(output) && statSync(output).mtimeMs >= newest(sources);
}

function tool(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
}

/** Lets `make` write a file that then appears under its name at once, since several processes may build the same. */
function build(output: string, make: (unfinished: string) => void): void {
  mkdirSync(BUILD, { recursive: true });
  const unfinished = `${output}.${process.pid}`;
  make(unfinished);
  renameSync(unfinished, output);
}

/** Path of a compiled floor. `warnings` are extra flags for gcc. */
export function floorProgram(name: Floor, warnings: readonly string[] = []): string {
  const output = join(BUILD, name);
  if (warnings.length > 0 || !upToDate(output, SOURCES)) {
    build(output, (file) => tool('gcc', ['-O2', '-pthread', ...warnings, '-o', file, join(SOURCES, `${name}.c`)]));
  }
  return output;
}

/** The MSRs that vmlapse saves on this host, in the form that the floors read from their environment. */
function savedMsrs(): string {
  using machine = Machine.create({ memory: 2 ** 20 });
  return vcpuStateCaps(machine).msrs.join();
}

/** Runs a floor and parses the one JSON object it prints. */
export function runFloor<T>(name: Floor, args: readonly (string | number)[]): T {
  const env = { ...process.env, SAVED_MSRS: savedMsrs() };
  const output = execFileSync(floorProgram(name), args.map(String), { encoding: 'utf8', maxBuffer: 2 ** 24, env });
  return JSON.parse(output) as T;
}

/** A guest of this folder, assembled with the given symbols. `elf32` turns the file into ELF32, as Multiboot 1 wants. */
function buildGuest(source: string, symbols: Readonly<Record<string, number>>, elf32: boolean): string {
  const tag = Object.entries(symbols).map(([name, value]) => `${name.toLowerCase()}${value}`);
  const output = join(BUILD, `${[source, ...tag].join('-')}.elf`);
  if (upToDate(output, GUESTS)) return output;
  const link = ['-nostdlib', '-static', '-no-pie', '-Wl,-N,-Ttext=0x100000,--build-id=none,--no-warn-rwx-segments'];
  const defines = Object.entries(symbols).map(([name, value]) => `-Wa,--defsym,${name}=${value}`);
  build(output, (file) => {
    tool('gcc', [...link, ...defines, '-o', file, join(GUESTS, `${source}.S`)]);
    if (elf32) tool('objcopy', ['-O', 'elf32-i386', file]);
  });
  return output;
}

/** Parameters of the guest that dirties pages; see guests/dirty.S. */
export interface DirtyGuest {
  readonly pages: number;
  /** Distance between two of the pages, in pages. */
  readonly stride: number;
  /** Whether each round ends with a write to port 0x80. */
  readonly mark: boolean;
}

/** The guest that dirties the same pages every round (Multiboot 1, ELF32). */
export const dirtyGuest = ({ pages, stride, mark }: DirtyGuest): string =>
  buildGuest('dirty', { PAGES: pages, STRIDE: stride, MARK: mark ? 1 : 0 }, true);

/** The guest that sends `bytes` (a multiple of 64) bytes to the serial port with one `rep outsb` (ELF64). */
export const outsGuest = (bytes: number): string => buildGuest('outs', { BYTES: bytes }, false);

/** The guest that works on a virtio disk, by interrupt, in a form that QEMU boots, too; see guests/disk-work.c. */
export async function diskWorkGuest(): Promise<string> {
  const name = 'disk-work';
  const build: BuildRecipe = {
    target: 'long-elf',
    sources: [`../bench/guests/${name}.c`, 'devices/virtio.c'],
    runtime: true,
    pvhDoor: true,
    defines: { INTERRUPTS: 1 },
  };
  const file = `${name}.elf`;
  await buildGuests([{ name, file, build }], BUILD);
  return join(BUILD, file);
}

/** The guest that makes `turns` exits, each after `work` additions in memory (ELF64). */
export const turnsGuest = (turns: number, work: number): string =>
  buildGuest('turns', { TURNS: turns, WORK: work }, false);
