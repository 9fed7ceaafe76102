/** What there is to know about one guest: how it is built, how it is started, and what must come of it. */
import { checkArguments, ENDING } from '../src/arguments.ts';

/** How a guest is compiled and linked; see `builder/recipe.ts` for the flags behind each. */
export type Target = 'real-flat' | 'protected-flat' | 'long-flat' | 'protected-elf' | 'long-elf' | 'static-pie';

/** The recipe: sources relative to `guests/`, in link order. */
export interface BuildRecipe {
  readonly target: Target;
  readonly sources: readonly string[];
  /** Preprocessor definitions for the guest's own sources (not the runtime's). */
  readonly defines?: Readonly<Record<string, string | number>>;
  /** Links the C runtime with it: entry, IDT, printf, … (long mode only). */
  readonly runtime?: boolean;
  /** Adds the PVH note and 32-bit entry, so that QEMU's -kernel boots the C guest too. */
  readonly pvhDoor?: boolean;
  /** Static-PIE: packs relative relocations as RELR. */
  readonly relr?: boolean;
}

/** What the machine must have, beyond the defaults. */
export interface GuestOptions {
  /** RAM in MiB that suffices. */
  readonly memoryMib: number;
  /** Number of vCPUs to run it with. */
  readonly cpus: number;
  /** Interrupt controllers in the kernel: needed, forbidden, or all the same. */
  readonly irqchip: 'yes' | 'no' | 'any';
  /** Flat images: guest-physical load address (entry is its first byte). */
  readonly load?: number;
  /** Serial input that must arrive for the guest to come to its end. */
  readonly stdin?: string;
  /** Text to be typed on the keyboard for the guest to come to its end. */
  readonly typed?: string;
  readonly cmdline?: string;
  readonly modules?: readonly { readonly name: string; readonly text: string }[];
}

/**
 * How the run ends. `exit`: through the debug-exit port, with `code`. `halted`: HLT with interrupts off, for good.
 * `shutdown`: triple fault. `emulation-failure`: KVM_EXIT_INTERNAL_ERROR, suberror 1. `endless`: never; stop it.
 */
export type Ending =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'halted' | 'shutdown' | 'reset' | 'poweroff' | 'emulation-failure' | 'endless' };

/** What must be seen. A string is the whole output, byte for byte; an expression must match the whole output. */
export interface Expectation {
  readonly ending: Ending;
  readonly stdout: string | RegExp;
  /** Lines of the text screen at its end, without spaces at their ends and without empty ones below; none where absent. */
  readonly screen?: readonly string[];
  /** Output on the debug console; nothing where absent. */
  readonly debugcon?: string;
  /** What is seen instead where KVM emulates ring 0 in software and lacks the instruction (PVM). */
  readonly onEmulatedRing0?: { readonly ending: Ending; readonly stdout: string | RegExp };
}

/** What is built. */
export interface GuestSource {
  readonly name: string;
  /** File name in the folder of what is built, guests/build/. */
  readonly file: string;
  readonly build: BuildRecipe;
}

/** One guest. */
export interface Guest extends GuestSource {
  /** Image format, as `--format` takes it. */
  readonly format: 'elf' | 'elf-pvh' | 'multiboot1' | 'multiboot2' | 'boot-sector' | 'disk' | 'flat';
  /** Mode of the first vCPU at entry. */
  readonly mode: 'real' | 'protected' | 'long';
  /** One line: what there is to see. */
  readonly shows: string;
  readonly options: GuestOptions;
  readonly expect: Expectation;
  /**
   * Two runs agree in everything: sequence of exits, output, final registers and memory. False where time, a second
   * vCPU or an interrupt decides; what `expect` says holds all the same.
   */
  readonly deterministic: boolean;
}

/** The exit status that a process which runs the guest should have; undefined for an endless guest. A reset ends the run. */
export function exitStatus(ending: Ending): number | undefined {
  checkArguments('exitStatus', [ending, ENDING]);
  if (ending.kind === 'exit') return ending.code;
  const statuses = {
    halted: 0,
    poweroff: 0,
    reset: 0,
    shutdown: 126,
    'emulation-failure': 126,
    endless: undefined,
  };
  return statuses[ending.kind];
}

const DEFAULT_OPTIONS: GuestOptions = { memoryMib: 16, cpus: 1, irqchip: 'any' };

/** What a row of the catalog leaves out: the file name, the common options, determinism. */
export interface GuestRow extends Omit<Guest, 'file' | 'options' | 'deterministic'> {
  readonly options?: Partial<GuestOptions>;
  readonly deterministic?: boolean;
}

const isFlat = (target: Target) => target.endsWith('-flat');

/** A row of the catalog, completed. */
export function guest(row: GuestRow): Guest {
  return {
    ...row,
    file: `${row.name}${isFlat(row.build.target) ? '.bin' : '.elf'}`,
    options: { ...DEFAULT_OPTIONS, ...row.options },
    deterministic: row.deterministic ?? true,
  };
}

/** Ends through the debug-exit port with `code`, having printed `stdout`. */
export const exits = (code: number, stdout: string | RegExp): Expectation => ({
  ending: { kind: 'exit', code },
  stdout,
});

/** Ends in another way. */
export const ends = (kind: Exclude<Ending['kind'], 'exit'>, stdout: string | RegExp): Expectation => ({
  ending: { kind },
  stdout,
});
