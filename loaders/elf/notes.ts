/** ELF notes: every PT_NOTE segment and every SHT_NOTE section is scanned (System V ABI, "Note Section"). */

import { SHT } from '../../src/abi/elf.ts';
import { alignUp, printable, viewOf } from '../bytes.ts';
import type { ElfFile } from './header.ts';
import type { Section } from './sections.ts';

/** More notes than any guest carries; bounds all work per image. */
const MAX_NOTES = 4096;
const NOTE_HEADER = 12;

/** One note. */
export interface ElfNote {
  /** Who defines the type: "GNU", "Xen", "Linux". */
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
  /** File offset of the note. */
  readonly at: number;
}

/** All notes, in file order within each table, each once, even if both a section and a segment hold it. */
export function readNotes(elf: ElfFile, sections: readonly Section[]): ElfNote[] {
  const areas = [
    ...elf.programs
      .filter((p) => p.type === 'note')
      .map((p) => ({ offset: p.offset, size: p.filesz, align: Number(p.align) })),
    ...sections.filter((s) => s.type === SHT.NOTE).map((s) => ({ offset: s.offset, size: s.fileSize, align: s.align })),
  ];
  const found = new Map<number, ElfNote>();
  for (const { offset, size, align } of areas) {
    for (const note of walk(elf.bytes.subarray(offset, offset + size), offset, align === 8 ? 8 : 4)) {
      if (found.size >= MAX_NOTES) return [...found.values()];
      if (found.has(note.at)) break;
      found.set(note.at, note);
    }
  }
  return [...found.values()];
}

/** Names and descriptions are padded to `align`; a note that runs past its area ends the walk. */
function* walk(area: Uint8Array, base: number, align: number): Generator<ElfNote> {
  const view = viewOf(area);
  let at = 0;
  while (at + NOTE_HEADER <= area.length) {
    const nameSize = view.getUint32(at, true);
    const descriptionSize = view.getUint32(at + 4, true);
    const descriptionAt = alignUp(at + NOTE_HEADER + nameSize, align);
    const end = descriptionAt + descriptionSize;
    if (end > area.length) return;
    const name = Buffer.from(area.buffer, area.byteOffset + at + NOTE_HEADER, Math.min(nameSize, 64)).toString(
      'latin1',
    );
    yield {
      owner: printable(name.replace(/\0.*$/s, '')),
      type: view.getUint32(at + 8, true),
      description: area.subarray(descriptionAt, end),
      at: base + at,
    };
    at = alignUp(end, align);
  }
}

const XEN_ELFNOTE_PHYS32_ENTRY = 18;

/** The PVH entry point (Xen note 18), a 32-bit physical address; undefined without one. */
export function pvhEntry(notes: readonly ElfNote[]): { entry: number; at: number } | undefined {
  const note = notes.find((n) => n.owner === 'Xen' && n.type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (!note || note.description.length < 4) return undefined;
  const view = viewOf(note.description);
  const high = note.description.length >= 8 ? view.getUint32(4, true) : 0;
  return { entry: view.getUint32(0, true) + high * 2 ** 32, at: note.at };
}
