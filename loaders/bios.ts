/** The BIOS's pieces of guest memory, as segments of a plan. */
import type { Drive } from '../src/bios/drives.ts';
import { BOOT_SECTOR } from '../src/bios/layout.ts';
import { biosPieces } from '../src/bios/memory-image.ts';
import { type EntryState, entryAt, type Segment } from './image.ts';

const overlap = (a: Segment, b: Segment) => a.gpa < b.gpa + b.memSize && b.gpa < a.gpa + a.memSize;

/**
 * The segments of a guest that starts in real mode, with those of the BIOS. A guest that brings its own content for any
 * of that memory, such as interrupt vectors, gets no BIOS.
 */
export function withBios(own: readonly Segment[], drives: readonly Drive[]): Segment[] {
  const bios = biosPieces(drives).map((piece) => ({ ...piece, memSize: piece.bytes.length }));
  const isTaken = bios.some((piece) => own.some((segment) => overlap(piece, segment)));
  return isTaken ? [...own] : [...own, ...bios];
}

/** How a BIOS starts code: in real mode with interrupts on, the drive's number in DL, and a stack below the boot sector. */
export const started = (at: number, drive: number): EntryState => ({
  ...entryAt('real', at),
  regs: { rdx: BigInt(drive), rsp: BigInt(BOOT_SECTOR) },
  interrupts: true,
});
