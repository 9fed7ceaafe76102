/** `vmlapse inspect FILE`: what an image is and what would be done with it. Needs no KVM. */

import { checkPlan, type GuestImage } from '../../../loaders/index.ts';
import { hex } from '../../../src/abi/numbers.ts';
import { ramRanges } from '../../../src/memory/layout.ts';
import { type CommandRow, JSON_OPTION } from '../command.ts';
import { IMAGE_OPTIONS, type ImageOptions, loadImage } from '../image-options.ts';
import { columns, print } from '../output.ts';
import { counted } from '../store/format.ts';

export const INSPECT: CommandRow = {
  name: 'inspect',
  about: 'print what a guest image is and where it would go',
  arguments: { '<file>': 'the image; - is standard input' },
  options: [...IMAGE_OPTIONS, JSON_OPTION],
  help: `Examples:
  vmlapse inspect guests/build/hello-multiboot.elf
  vmlapse inspect --mem 256M --json bzImage`,
  run(file: string, options: ImageOptions & { readonly json?: boolean }) {
    using loaded = loadImage(file, options);
    print(options, asData(loaded.image), () => describe(loaded.image));
    checkPlan(loaded.image, ramRanges(options.mem));
  },
};

function asData(image: GuestImage) {
  const segments = image.segments.map(({ bytes, ...rest }) => ({ ...rest, fileSize: bytes.length }));
  return {
    format: image.format,
    description: image.description,
    segments,
    reserved: image.reserved ?? [],
    entry: image.entry,
    symbols: image.symbols.length,
    notes: image.notes,
  };
}

function describe(image: GuestImage): string {
  const { entry } = image;
  const regs = Object.entries(entry.regs ?? {}).map(([name, value]) => `${name}=${hex(value)}`);
  const cs = entry.cs ? [`cs=${hex(entry.cs.selector)} (base ${hex(entry.cs.base)})`] : [];
  const segments = image.segments.map(({ gpa, memSize, bytes, name, rom }) => [
    `  ${hex(gpa)}..${hex(gpa + memSize - 1)}`,
    counted(memSize, 'byte'),
    bytes.length === memSize ? '' : `${bytes.length} from the file, the rest zero`,
    rom ? `${name} (ROM)` : name,
  ]);
  const reserved = (image.reserved ?? []).map(({ gpa, size, name }) => [
    `  ${hex(gpa)}..${hex(gpa + size - 1)}`,
    counted(size, 'byte'),
    'kept free',
    name,
  ]);
  return [
    `format   ${image.format}: ${image.description}\n`,
    `entry    ${entry.mode} mode, rip=${hex(entry.rip)}${[...cs, ...regs].map((text) => `, ${text}`).join('')}\n`,
    `symbols  ${image.symbols.length}\n`,
    'segments, by guest-physical address\n',
    columns([...segments, ...reserved]),
    ...image.notes.map((note) => `note: ${note}\n`),
  ].join('');
}
