/** The Multiboot 2 header: a list of tags in the first 32 KiB of the file (Multiboot2 Specification 2.0, section 3.1). */
import { LoadError } from '../src/errors.ts';
import { hex, viewOf } from './bytes.ts';
import { refusal } from './refuse.ts';

const MULTIBOOT2_MAGIC = 0xe85250d6;
const SEARCH = 32_768;
const ARCHITECTURE_I386 = 0;
const OPTIONAL = 1;

/** Header tag types. */
const TAG = {
  end: 0,
  informationRequest: 1,
  address: 2,
  entry: 3,
  console: 4,
  framebuffer: 5,
  moduleAlign: 6,
  efiBootServices: 7,
  efi32Entry: 8,
  efi64Entry: 9,
  relocatable: 10,
} as const;

/** Information tag types this loader provides; a request for any other is refused unless it is optional. */
const PROVIDED: ReadonlySet<number> = new Set([1, 2, 3, 4, 6, 9, 21]);

/** What the tags request. */
export interface Multiboot2Header {
  readonly at: number;
  readonly address?: {
    readonly fieldsAt: number;
    readonly headerAddress: number;
    readonly loadAddress: number;
    readonly loadEnd: number;
    readonly bssEnd: number;
  };
  readonly entry?: number;
  readonly relocatable?: {
    readonly min: number;
    readonly max: number;
    readonly align: number;
    readonly preference: number;
  };
  readonly notes: readonly string[];
}

/** File offset of the header; undefined without one. */
export function findMultiboot2(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  const end = Math.min(SEARCH, bytes.length) - 16;
  for (let at = 0; at <= end; at += 8) {
    if (view.getUint32(at, true) !== MULTIBOOT2_MAGIC) continue;
    const sum =
      MULTIBOOT2_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true) + view.getUint32(at + 12, true);
    if (sum >>> 0 === 0) return at;
  }
  return undefined;
}

/** True when the header can be read and has an address tag; false also when it is damaged. */
export function hasAddressTag(bytes: Uint8Array): boolean {
  try {
    return readMultiboot2(bytes).address !== undefined;
  } catch (error) {
    if (error instanceof LoadError) return false;
    throw error;
  }
}

type Draft = { -readonly [K in keyof Multiboot2Header]: Multiboot2Header[K] } & { notes: string[] };
type TagReader = (draft: Draft, view: DataView, tag: { at: number; size: number; optional: boolean }) => void;

const noted =
  (text: string): TagReader =>
  (draft) =>
    draft.notes.push(text);

/** A load_addr that says: load the file from its beginning. */
const WHOLE_FILE = 0xffff_ffff;

/** One row for each header tag: the bytes it needs, and what it means here. */
const TAGS: Readonly<Record<number, { readonly size: number; readonly read: TagReader }>> = {
  [TAG.informationRequest]: { size: 8, read: readRequest },
  [TAG.address]: {
    size: 24,
    read: (draft, view, { at }) => {
      const headerAddress = view.getUint32(at + 8, true);
      const loadAddress = view.getUint32(at + 12, true);
      draft.address = {
        fieldsAt: at + 8,
        headerAddress,
        loadAddress: loadAddress === WHOLE_FILE ? Math.max(0, headerAddress - draft.at) : loadAddress,
        loadEnd: view.getUint32(at + 16, true),
        bssEnd: view.getUint32(at + 20, true),
      };
    },
  },
  [TAG.entry]: {
    size: 12,
    read: (draft, view, { at }) => {
      draft.entry = view.getUint32(at + 8, true);
    },
  },
  [TAG.console]: { size: 12, read: noted('console request ignored: the guest has its serial port') },
  [TAG.framebuffer]: { size: 20, read: noted('framebuffer request ignored: the display shows text, 80x25') },
  [TAG.moduleAlign]: { size: 8, read: () => undefined },
  [TAG.efiBootServices]: { size: 8, read: noted('EFI boot services request ignored: there is no EFI') },
  [TAG.efi32Entry]: { size: 12, read: noted('EFI i386 entry ignored: there is no EFI') },
  [TAG.efi64Entry]: { size: 12, read: noted('EFI amd64 entry ignored: there is no EFI') },
  [TAG.relocatable]: {
    size: 24,
    read: (draft, view, { at }) => {
      draft.relocatable = {
        min: view.getUint32(at + 8, true),
        max: view.getUint32(at + 12, true),
        align: view.getUint32(at + 16, true),
        preference: view.getUint32(at + 20, true),
      };
    },
  },
};

function readRequest(
  draft: Draft,
  view: DataView,
  { at, size, optional }: { at: number; size: number; optional: boolean },
): void {
  for (let request = at + 8; request + 4 <= at + size; request += 4) {
    const type = view.getUint32(request, true);
    if (PROVIDED.has(type)) continue;
    if (!optional)
      throw refusal('MULTIBOOT2', {
        field: 'Multiboot 2 header: information request',
        at: request,
        found: `type ${type}`,
        expected: `one of ${[...PROVIDED].join(', ')}`,
        cure: 'this machine has no such information: mark the tag optional, or boot the kernel another way',
      });
    if (draft.notes.length < 32) draft.notes.push(`optional information of type ${type} is not there`);
  }
}

/** Reads the header and its tags. Throws LoadError MULTIBOOT2 or TRUNCATED. */
export function readMultiboot2(bytes: Uint8Array): Multiboot2Header {
  const at = findMultiboot2(bytes);
  if (at === undefined)
    throw refusal('MULTIBOOT2', {
      field: 'Multiboot 2 header (magic 0xe85250d6, 8-byte aligned, valid checksum)',
      found: 'missing',
      expected: `one in the first ${SEARCH} bytes`,
      cure: 'put the header section first in the linker script, or choose another --format',
    });
  const view = viewOf(bytes);
  const architecture = view.getUint32(at + 4, true);
  if (architecture !== ARCHITECTURE_I386)
    throw refusal('MULTIBOOT2', {
      field: 'Multiboot 2 header: architecture',
      at: at + 4,
      found: architecture === 4 ? '4 (MIPS)' : architecture,
      expected: '0 (i386, 32-bit protected mode)',
      cure: 'build the kernel for x86',
    });
  const end = at + view.getUint32(at + 8, true);
  if (end > bytes.length || end < at + 16)
    throw refusal('TRUNCATED', {
      field: 'Multiboot 2 header: header_length',
      at: at + 8,
      found: end - at,
      expected: `16 to ${bytes.length - at}`,
      cure: 'the file is cut off or damaged: copy or build it again',
    });
  return readTags(view, at, end);
}

function readTags(view: DataView, headerAt: number, end: number): Multiboot2Header {
  const draft: Draft = { at: headerAt, notes: [] };
  for (let at = headerAt + 16; at + 8 <= end; ) {
    const type = view.getUint16(at, true);
    const optional = (view.getUint16(at + 2, true) & OPTIONAL) !== 0;
    const size = view.getUint32(at + 4, true);
    const row = TAGS[type];
    if (size < (row?.size ?? 8) || at + size > end)
      throw refusal('MULTIBOOT2', {
        field: `Multiboot 2 header: size of tag ${type}`,
        at: at + 4,
        found: size,
        expected: `${row?.size ?? 8} to ${hex(end - at)}`,
        cure: 'the header is damaged: build the kernel again',
      });
    if (type === TAG.end) break;
    if (row) row.read(draft, view, { at, size, optional });
    else if (!optional)
      throw refusal('MULTIBOOT2', {
        field: 'Multiboot 2 header: tag type',
        at,
        found: type,
        expected: 'a type up to 10',
        cure: 'the kernel demands something this specification does not define: mark the tag optional',
      });
    at += Math.ceil(size / 8) * 8;
  }
  return draft;
}
