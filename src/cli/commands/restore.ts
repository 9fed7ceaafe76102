/** `vmlapse restore REF`: brings a checkpoint back in this process and goes on. */
import { type Command, Option } from 'commander';
import { explainRestore } from '../../../snapshot/explain.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { restoreMachine } from '../../../snapshot/restore.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { refuseTakenName } from '../../control/claim.ts';
import { UsageError } from '../../errors.ts';
import type { ClockMode } from '../../kvm/state/vm-state.ts';
import { attend } from '../attend/attend.ts';
import { type AttendOptions, addAttendOptions, EXIT_STATUS_HELP } from '../attend/options.ts';
import { loadSymbols } from '../guest-symbols.ts';
import { defaultStore } from '../store-option.ts';
import { traceIfAsked } from '../trace.ts';

interface RestoreOptions extends AttendOptions {
  readonly store: string;
  readonly clock: ClockMode;
  readonly force?: boolean;
  readonly explain?: boolean;
}

const EXAMPLES = `
Examples:
  vmlapse restore --store lab latest
  vmlapse restore --store lab before-login --every 1s
  vmlapse restore --store lab latest --name kitchen --paused
  vmlapse restore --store lab latest --explain
`;

/** Adds the command. */
export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .description('bring a checkpoint back and go on')
    .argument('<ref>', 'tag, digest, start of a digest, latest; ~N for the Nth before it')
    .option('--store <dir>', 'the store', defaultStore())
    .addOption(
      new Option('--clock <how>', "the guest's clock goes on from where it stood, or jumps to now")
        .choices(['resume', 'jump'])
        .default('resume'),
    )
    .option('--force', 'try although this host differs from the one the checkpoint was taken on')
    .option('--paused', 'do not let it run until `vmlapse resume NAME`; with --name')
    .option('--explain', 'print each ioctl of the restore in order, with its reason, and do nothing');
  addAttendOptions(command)
    .addHelpText('after', EXAMPLES + EXIT_STATUS_HELP)
    .action(async (ref: string, options: RestoreOptions) => {
      process.exitCode = await restore(ref, options);
    });
}

async function restore(ref: string, options: RestoreOptions): Promise<number> {
  if (options.paused && options.name === undefined) {
    throw new UsageError('a paused machine is resumed by its name: add --name NAME');
  }
  traceIfAsked(options);
  using store = openStore(options.store, { readOnly: true });
  using checkpoint = store.open(ref);
  const { description } = decodeState(checkpoint.config);
  if (options.explain) {
    process.stdout.write(explainRestore(decodeState(checkpoint.config)));
    return 0;
  }
  if (options.name !== undefined) await refuseTakenName(options.name);
  const { machine, load } = restoreMachine(checkpoint, { clock: options.clock, force: options.force === true });
  using _machine = machine;
  const { guest } = description;
  const subject = {
    machine,
    prepare: load,
    base: checkpoint.digest,
    ...(guest && { guest, image: guest.path, symbols: () => loadSymbols(guest) }),
  };
  const { store: directory, ...rest } = options;
  const records =
    options.checkpointAt !== undefined ||
    options.every !== undefined ||
    options.name !== undefined ||
    process.stdin.isTTY;
  return await attend(subject, records ? { ...rest, store: directory } : rest);
}
