/** `vmlapse run FILE`: boots a guest image and runs it to its end. */
import { resolve } from 'node:path';
import { bootImage } from '../../../loaders/place.ts';
import { readImage } from '../../../loaders/read.ts';
import { SymbolTable } from '../../../loaders/symbols.ts';
import { UsageError } from '../../../src/errors.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { refuseTakenName } from '../../control/claim.ts';
import type { CommandRow } from '../command.ts';
import { IMAGE_OPTIONS, type ImageOptions, type LoadedImage, loadImage } from '../image-options.ts';
import { printLine } from '../output.ts';
import { type Blob, parseBlob, parseCount } from '../parse.ts';
import {
  checkSessionOptions,
  EXIT_STATUS_HELP,
  SESSION_OPTIONS,
  type SessionOptions,
  startTracing,
} from '../session/options.ts';
import { runSession } from '../session/session.ts';

interface RunOptions extends ImageOptions, SessionOptions {
  readonly cpus: number;
  readonly irqchip: boolean;
  readonly blob?: readonly Blob[];
}

export const RUN: CommandRow = {
  name: 'run',
  about: 'boot a guest image; its serial port is this terminal',
  arguments: { '<file>': 'the image; - is standard input' },
  options: [
    ...IMAGE_OPTIONS,
    ['--cpus <n>', 'vCPUs', parseCount, 1],
    ['--no-irqchip', 'no in-kernel interrupt controllers: interrupts by KVM_INTERRUPT, HLT exits'],
    ['--blob <addr=file>', 'place a file in guest memory as it is; may be repeated', parseBlob],
    ['--store <dir>', 'keep checkpoints in this store'],
    ...SESSION_OPTIONS,
  ],
  help: `Examples:
  vmlapse run guests/build/hello-long.elf
  vmlapse run --mem 512M --cmdline "console=ttyS0" --module initrd.img bzImage
  vmlapse run --format flat --load 0x7c00 --mode real --timeout 5s boot.bin
  vmlapse run --name kitchen --store lab --mem 256M bzImage
  vmlapse run --store lab --checkpoint-at serial:ready --every 1s --keep 10 guests/build/memory-writer.elf
${EXIT_STATUS_HELP}`,
  async run(file: string, options: RunOptions) {
    process.exitCode = await run(file, options);
  },
};

async function run(file: string, options: RunOptions): Promise<number> {
  if (options.store === undefined && (options.checkpointAt || options.every !== undefined)) {
    throw new UsageError('checkpoints need a place: add --store DIR');
  }
  checkSessionOptions(options);
  startTracing(options);
  if (options.name !== undefined) await refuseTakenName(options.name);
  using loaded = loadImage(file, options);
  const { image } = loaded;
  if (!options.quiet && !options.json) for (const note of image.notes) printLine(`vmlapse: note: ${note}`);
  const guest = options.store === undefined ? {} : { guest: origin(file, loaded, options.load) };
  using machine = Machine.create({ memory: options.mem, cpus: options.cpus, irqchip: options.irqchip });
  bootImage(machine, image, loaded.release);
  for (const blob of options.blob ?? []) {
    using content = readImage(blob.file);
    machine.memory.write(blob.gpa, content.bytes);
  }
  return await runSession({ machine, image: file, ...guest, symbols: () => new SymbolTable(image.symbols) }, options);
}

/** What a checkpoint remembers of the image. */
function origin(file: string, { image, sha256 }: LoadedImage, load: number | undefined) {
  return { path: resolve(file), sha256: sha256(), format: image.format, ...(load !== undefined && { load }) };
}
