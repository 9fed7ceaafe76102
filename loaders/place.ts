/** Places a plan into guest memory, and boots a machine from it. Every check is made before the first byte is written. */
import { BOOTABLE, checkArguments, IMAGE, MEMORY } from '../src/arguments.ts';
import { LoadError } from '../src/errors.ts';
import type { EntryState } from '../src/machine/entry.ts';
import type { RamRange } from '../src/memory/layout.ts';
import { merged } from '../src/memory/room.ts';
import { isObject, listOf } from '../src/options.ts';
import { memoryCure } from './arrange.ts';
import { hex } from './bytes.ts';
import type { GuestImage, Reservation, Segment } from './image.ts';

/** What placing needs of guest memory. Addresses are guest-physical, sizes in bytes. */
export interface PlaceTarget {
  /** Writes bytes. */
  write(gpa: number, bytes: Uint8Array): void;
  /** Zeroes bytes. */
  zero(gpa: number, length: number): void;
  /** RAM, in ascending order. */
  readonly ranges: readonly RamRange[];
}

/**
 * Checks that every segment and reservation lies in RAM (ROM segments: outside), that none overlap, and that the entry point
 * is in RAM or ROM. Throws LoadError OUTSIDE_RAM or OVERLAP that names the segment, its range and the RAM there is.
 */
export function checkPlan(image: GuestImage, ranges: readonly RamRange[]): void {
  checkArguments('checkPlan', [image, IMAGE], [ranges, listOf('ranges', isObject)]);
  const ram = merged(ranges);
  const uses: Use[] = [
    ...image.segments.map((s) => ({ gpa: s.gpa, size: s.memSize, name: `segment "${s.name}"`, rom: s.rom === true })),
    ...(image.reserved ?? []).map((r: Reservation) => ({ ...r, name: `reserved range "${r.name}"`, rom: false })),
  ].filter((u) => u.size > 0);
  for (const s of image.segments) checkShape(s);
  for (const use of uses) checkRam(use, ram);
  checkDisjoint(uses);
  checkEntry(image, ram, uses);
}

interface Use {
  readonly gpa: number;
  readonly size: number;
  readonly name: string;
  readonly rom: boolean;
}

const spanText = (gpa: number, size: number): string => `${hex(gpa)}-${hex(gpa + size)}`;
const ramText = (ram: readonly RamRange[]): string => ram.map((r) => spanText(r.base, r.size)).join(', ') || 'none';

function checkShape(s: Segment): void {
  if (Number.isSafeInteger(s.gpa) && Number.isSafeInteger(s.memSize) && s.gpa >= 0 && s.bytes.length <= s.memSize)
    return;
  throw new LoadError(
    'OVERLAP',
    `segment "${s.name}" is no range of memory: ${s.bytes.length} bytes in ${s.memSize} at ${s.gpa}`,
  );
}

function checkRam({ gpa, size, name, rom }: Use, ram: readonly RamRange[]): void {
  const end = gpa + size;
  const details = { name, gpa, size };
  if (rom) {
    if (!ram.some((r) => gpa < r.base + r.size && end > r.base)) return;
    throw new LoadError(
      'OVERLAP',
      `${name} at ${spanText(gpa, size)} overlaps RAM ${ramText(ram)}: give the guest less memory with --mem`,
      details,
    );
  }
  if (ram.some((r) => gpa >= r.base && end <= r.base + r.size)) return;
  const cure = memoryCure(gpa, end);
  throw new LoadError(
    'OUTSIDE_RAM',
    `${name} at ${spanText(gpa, size)} is outside guest RAM (${ramText(ram)}): ${cure}`,
    details,
  );
}

function checkDisjoint(uses: readonly Use[]): void {
  let last: Use | undefined;
  for (const use of uses.toSorted((a, b) => a.gpa - b.gpa)) {
    if (last && last.gpa + last.size > use.gpa)
      throw new LoadError(
        'OVERLAP',
        `${use.name} at ${spanText(use.gpa, use.size)} overlaps ${last.name} at ${spanText(last.gpa, last.size)}: load one of them elsewhere`,
        { name: use.name, gpa: use.gpa, size: use.size },
      );
    last = use;
  }
}

function checkEntry({ entry }: GuestImage, ram: readonly RamRange[], uses: readonly Use[]): void {
  const at = Number(entry.rip) + (entry.cs?.base ?? 0);
  const executable = [...ram, ...uses.filter((u) => u.rom).map((u) => ({ base: u.gpa, size: u.size }))];
  if (executable.some((r) => at >= r.base && at < r.base + r.size)) return;
  throw new LoadError(
    'OUTSIDE_RAM',
    `the entry point ${hex(at)} is outside guest RAM (${ramText(ram)}): choose another --entry, or give more --mem`,
    {
      entry: at,
    },
  );
}

/** Segments are copied in pieces of this size, so that a mapped file need not be resident as a whole. */
const PIECE_BYTES = 8 * 2 ** 20;

/**
 * Writes the plan: content, then zeros to the end of each segment. Returns the ROM segments, which the machine maps.
 * Calls `copied` with each piece of content after writing it.
 */
export function place(
  image: GuestImage,
  target: PlaceTarget,
  copied: (piece: Uint8Array) => void = () => {},
): readonly Segment[] {
  checkArguments('place', [image, IMAGE], [target, MEMORY]);
  checkPlan(image, target.ranges);
  for (const { gpa, bytes, memSize } of image.segments.filter((s) => !s.rom)) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      target.write(gpa + at, piece);
      copied(piece);
    }
    if (memSize > bytes.length) target.zero(gpa + bytes.length, memSize - bytes.length);
  }
  return image.segments.filter((s) => s.rom === true);
}

/** What booting needs of a machine; a `Machine` is one. */
export interface BootTarget {
  readonly memory: PlaceTarget;
  /** Maps `content` read-only at a guest-physical address. */
  addRom(gpa: number, content: Uint8Array): void;
  /** Sets how the vCPUs start. `occupied`: guest-physical ranges in bytes that are not free for tables. */
  setBoot(
    entry: EntryState,
    occupied: readonly { readonly base: number; readonly size: number }[],
  ): { readonly gpa: number; readonly bytes: Uint8Array } | undefined;
}

/**
 * Places `image` in guest memory, maps its ROM, and sets how vCPU 0 starts. Nothing is written unless all of it fits.
 * Throws LoadError or GuestMemoryError.
 */
export function bootImage(machine: BootTarget, image: GuestImage, copied?: (piece: Uint8Array) => void): void {
  checkArguments('bootImage', [machine, BOOTABLE], [image, IMAGE]);
  const roms = place(image, machine.memory, copied);
  for (const rom of roms) machine.addRom(rom.gpa, rom.bytes);
  setStart(machine, image);
}

/** Sets how vCPU 0 starts, and tells the image's boot protocol of the ACPI tables that the machine has then. */
export function setStart(machine: BootTarget, image: GuestImage): void {
  const rsdp = machine.setBoot(image.entry, occupiedBy(image));
  const patches = (rsdp && image.acpi?.(rsdp)) ?? [];
  for (const { gpa, bytes } of patches) machine.memory.write(gpa, bytes);
}

/** Guest-physical ranges an image holds. */
export function occupiedBy(image: GuestImage): { readonly base: number; readonly size: number }[] {
  checkArguments('occupiedBy', [image, IMAGE]);
  const segments = image.segments.map(({ gpa, memSize }) => ({ base: gpa, size: memSize }));
  return [...segments, ...(image.reserved ?? []).map(({ gpa, size }) => ({ base: gpa, size }))];
}
