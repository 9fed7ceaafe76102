/** `vmlapse run FILE`: boots a guest image and runs it to its end. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import { bootImage, place, setStart } from '../../../loaders/place.ts';
import { readImage } from '../../../loaders/read.ts';
import { SymbolTable } from '../../../loaders/symbols.ts';
import { UsageError } from '../../../src/errors.ts';
import { cpuidOfChoice } from '../../../src/machine/cpu-model.ts';
import type { DiskConfig } from '../../../src/machine/disks.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { refuseTakenName } from '../../control/claim.ts';
import type { CommandRow } from '../command.ts';
import { DEFAULT_MEMORY, IMAGE_OPTIONS, type ImageOptions, type LoadedImage, loadImage } from '../image-options.ts';
import { cpuidNote, cpusNote } from '../machine-notes.ts';
import { printLine } from '../output.ts';
import { type Blob, parseBlob, parseCount, parseDisk, parsePort } from '../parse.ts';
import { checkSessionOptions, EXIT_STATUS_HELP, SESSION_OPTIONS, type SessionOptions } from '../session/options.ts';
import { runSession } from '../session/session.ts';
import { type Tracing, traced } from '../session/tracing.ts';

interface RunOptions extends ImageOptions, SessionOptions {
  readonly cpus: number;
  readonly irqchip: boolean;
  readonly exitPort?: number;
  readonly cpuid?: string;
  readonly onReset: 'exit' | 'restart';
  readonly blob?: readonly Blob[];
  readonly disk?: readonly DiskConfig[];
  readonly rng?: boolean;
  readonly record?: boolean;
}

export const RUN: CommandRow = {
  name: 'run',
  about: 'boot a guest image; its serial port is this terminal',
  arguments: { '<file>': 'the image; - is standard input' },
  options: [
    ...IMAGE_OPTIONS,
    ['--cpus <n>', 'vCPUs', parseCount, 1],
    ['--no-irqchip', 'no in-kernel interrupt controllers: interrupts by KVM_INTERRUPT, HLT exits'],
    ['--cpuid <features>', 'what CPUID says: host or minimal, then +NAME and -NAME as in /proc/cpuinfo: minimal,+avx'],
    ['--exit-port <port>', "a port that ends the guest as QEMU's isa-debug-exit does: 0x501", parsePort],
    new Option('--on-reset <what>', 'a reset that the guest asks for ends the run, or boots the image again')
      .choices(['exit', 'restart'])
      .default('exit'),
    ['--blob <addr=file>', 'place a file in guest memory as it is; may be repeated', parseBlob],
    ['--disk <file>', 'a disk over this image, which is never written; FILE,ro: read-only; may be repeated', parseDisk],
    ['--rng', 'a virtio source of random numbers'],
    ['--store <dir>', 'keep checkpoints in this store'],
    [
      '--record',
      'record the run into the store, so that vmlapse replay can run it again; --every: seeks are that fast',
    ],
    ...SESSION_OPTIONS,
  ],
  help: `Examples:
  vmlapse run guests/build/hello-long.elf
  vmlapse run --mem 512M --cmdline "console=ttyS0" --module initrd.img bzImage
  vmlapse run --format flat --load 0x7c00 --mode real --timeout 5s boot.bin
  vmlapse run --name kitchen --store lab --mem 256M bzImage
  vmlapse run --record --store lab guests/build/compute.elf
  vmlapse run --store lab --checkpoint-at serial:ready --every 1s --keep 10 guests/build/memory-writer.elf
${EXIT_STATUS_HELP}`,
  async run(file: string, options: RunOptions) {
    process.exitCode = await run(file, options);
  },
};

/** Boots an image with no other options and lets it wait for a debugger. Returns the exit status. */
export const runForDebugger = (
  file: string,
  {
    mem = DEFAULT_MEMORY,
    ...options
  }: Pick<RunOptions, 'gdb' | 'debugger' | 'quiet'> & { readonly mem?: number | undefined },
): Promise<number> => run(file, { mem, cpus: 1, irqchip: true, onReset: 'exit', assist: 'auto', ...options });

async function run(file: string, options: RunOptions): Promise<number> {
  if (options.store === undefined && (options.checkpointAt || options.every !== undefined)) {
    throw new UsageError('checkpoints need a place: add --store DIR');
  }
  checkSessionOptions(options);
  if (options.record) (await import('../session/record-session.ts')).checkRecordOptions(options);
  if (options.name !== undefined) await refuseTakenName(options.name);
  return await traced(options, (trace) => boot(file, options, trace));
}

async function boot(file: string, options: RunOptions, trace: Tracing): Promise<number> {
  using loaded = loadImage(file, options);
  const { image } = loaded;
  if (!options.quiet && !options.json) for (const note of image.notes) printLine(`vmlapse: note: ${note}`);
  const guest =
    options.store === undefined || image.format === 'disk' ? {} : { guest: origin(file, loaded, options.load) };
  const { mem: memory, cpus, exitPort = 0, disk = [], rng = false } = options;
  const irqchip = options.irqchip && !options.record;
  const userChips = options.irqchip && options.record === true;
  const disks = [...loaded.disks, ...disk];
  const cpuid = options.cpuid === undefined ? {} : { cpuid: cpuidOfChoice(options.cpuid) };
  using machine = Machine.create({ memory, cpus, irqchip, userChips, exitPort, disks, rng, ...cpuid });
  const notes = [cpusNote(machine.kvm, cpus), options.cpuid && cpuidNote()];
  if (!options.quiet && !options.json) for (const note of notes) if (note) printLine(`vmlapse: note: ${note}`);
  const restarts = options.onReset === 'restart';
  bootImage(machine, image, restarts ? undefined : loaded.release);
  placeBlobs(machine, options);
  const bootAgain = () => {
    place(image, machine.memory);
    setStart(machine, image);
    placeBlobs(machine, options);
  };
  const symbols = () => new SymbolTable(image.symbols);
  const prepared = { machine, image: file, ...guest, symbols, ...(restarts && { bootAgain }) };
  if (!options.record) return await runSession(prepared, options, trace);
  return await (await import('../session/record-session.ts')).runRecorded(prepared, options);
}

function placeBlobs({ memory }: Machine, { blob: blobs = [] }: RunOptions): void {
  for (const { gpa, file } of blobs) {
    using content = readImage(file);
    memory.write(gpa, content.bytes);
  }
}

/** What a checkpoint remembers of the image. */
function origin(file: string, { image, sha256 }: LoadedImage, load: number | undefined) {
  return { path: resolve(file), sha256: sha256(), format: image.format, ...(load !== undefined && { load }) };
}
