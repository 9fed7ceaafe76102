/** `vmlapse export REF`: a checkpoint as a file for other tools. */
import type { Command } from 'commander';
import { exportElf, exportRaw } from '../../../snapshot/export/export.ts';
import { UsageError } from '../../../src/errors.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { byteText } from '../store/format.ts';
import { addStoreOptions, openToRead, print, REF_HELP, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse export latest --elf core && gdb guests/build/kernel.elf core
  vmlapse export before-login --raw ram.img --store lab

In the core, each vCPU is a thread, and memory is at the addresses that vCPU 0 uses: by its page tables where it has
paging on, else guest-physical. In the raw image, the offset in the file is the guest-physical address. Zero pages are
holes in both files.`;

interface ExportOptions extends StoreCommandOptions, ProgressOptions {
  readonly elf?: string;
  readonly raw?: string;
}

/** Adds the command. */
export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('write a checkpoint as an ELF core for debuggers, or its RAM as a raw image')
    .argument('<ref>', REF_HELP);
  addStoreOptions(command)
    .option('--elf <file>', 'write an ELF core')
    .option('--raw <file>', 'write bare RAM')
    .option(...PROGRESS_OPTION)
    .addHelpText('after', EXAMPLES)
    .action((ref: string, options: ExportOptions) => {
      const { elf, raw } = options;
      if (elf === undefined && raw === undefined) throw new UsageError('say what to write: --elf FILE or --raw FILE');
      using store = openToRead(options);
      using checkpoint = store.open(ref);
      const write = (how: typeof exportElf, path: string | undefined) => {
        if (path === undefined) return [];
        using progress = startProgress('exporting', options);
        return [how(checkpoint, path, progress.update)];
      };
      const reports = [...write(exportElf, elf), ...write(exportRaw, raw)];
      print(options, { digest: checkpoint.digest, files: reports }, () =>
        reports
          .flatMap(({ path, bytes, dataBytes, remarks }) => [
            `${path}: ${byteText(bytes)}, ${byteText(dataBytes)} of it data\n`,
            ...remarks.map((remark) => `  ${remark}\n`),
          ])
          .join(''),
      );
    });
}
