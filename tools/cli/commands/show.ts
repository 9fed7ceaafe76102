/** `vmlapse show REF`: everything a checkpoint holds, by name. */
import { stateNotes } from '../../../snapshot/compatible.ts';
import { presentBlocks } from '../../../snapshot/disk-blocks.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { memoryMap } from '../../../snapshot/show/memory-map.ts';
import { stateSections } from '../../../snapshot/show/state-sections.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { VmlapseError } from '../../../src/errors.ts';
import type { DiskDescription } from '../../../src/machine/disks.ts';
import { screenOfCheckpoint } from '../../screen/of-machine.ts';
import { screenLines } from '../../screen/render.ts';
import type { CommandRow } from '../command.ts';
import { print } from '../output.ts';
import { entryData } from '../store/log-text.ts';
import { openToRead, REF_HELP, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';
import { paintFor } from '../store/paint.ts';
import { type Shown, showText } from '../store/show-text.ts';
import { meaningsData, sectionsData } from '../store/state-data.ts';
import { showsUnicode } from '../terminal-text.ts';

export const SHOW: CommandRow = {
  name: 'show',
  about: 'show a checkpoint: registers, MSRs, clock, interrupt controllers, devices, memory map, layers',
  arguments: { '<ref>': REF_HELP },
  options: [...STORE_OPTIONS, ['--all', 'also what is zero, and CPUID']],
  help: `Examples:
  vmlapse show latest
  vmlapse show --store lab before-login --all
  vmlapse show latest --json | jq -r '.state["vcpu/0/regs"].rip'

Values that are zero are left out, unless --all asks for them.`,
  run: show,
};

function show(ref: string, options: StoreCommandOptions & { readonly all?: boolean }): void {
  using store = openToRead(options);
  using checkpoint = store.open(ref);
  const { digest, info, config } = checkpoint;
  const state = decodeState(config);
  const { parent, label, time, stats } = info;
  const tags = store
    .index()
    .heads.flatMap((head) => (head.digest === digest && head.tag !== undefined ? [head.tag] : []));
  const shown: Shown = {
    entry: {
      digest,
      tags,
      ...(parent && { parent }),
      ...(label !== undefined && { label }),
      time,
      pages: stats.pages ?? 0,
      bytes: stats.bytes ?? 0,
      stats,
    },
    description: state.description,
    state: stateSections(state),
    memory: memoryMap(checkpoint),
    disks: (state.description.disks ?? []).map((disk, index) => ({
      ...disk,
      blocks: writtenBlocks(checkpoint, disk, index),
    })),
    ...screenOrNote(checkpoint, stateNotes(state), !options.json && !showsUnicode()),
  };
  const data = () => {
    const { state: sections, description, memory, disks, screen, notes } = shown;
    return {
      ...entryData(shown.entry),
      machine: description,
      state: sectionsData(sections),
      meanings: meaningsData(sections),
      memory,
      ...(disks.length > 0 && { disks }),
      ...(screen.length > 0 && { screen }),
      ...(notes.length > 0 && { notes }),
    };
  };
  print(options, options.json && data(), () => showText(shown, paintFor(), options.all));
}

const writtenBlocks = (checkpoint: Checkpoint, { bytes }: DiskDescription, index: number) =>
  presentBlocks(checkpoint, index, bytes).reduce((sum, { count }) => sum + count, 0);

/** The text screen is memory, which may be damaged where all that is shown otherwise is not. */
function screenOrNote(
  checkpoint: Checkpoint,
  notes: readonly string[],
  ascii: boolean,
): Pick<Shown, 'screen' | 'notes'> {
  try {
    return { screen: screenLines(screenOfCheckpoint(checkpoint), { ascii }), notes };
  } catch (error) {
    if (!(error instanceof VmlapseError)) throw error;
    return { screen: [], notes: [...notes, `the text screen cannot be read: ${error.message}`] };
  }
}
