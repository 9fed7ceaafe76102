/** `vmlapse rollback NAME [REF]`: puts a running machine back to a checkpoint, in place. */
import type { Command } from 'commander';
import { counted } from '../store/format.ts';
import { REF_HELP } from '../store/options.ts';
import { machineCommand, printResult, withMachine } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse rollback kitchen                  to the checkpoint it took, was restored from or was rolled back to last;
                                            vmlapse status says which
  vmlapse rollback kitchen before-upgrade

It runs on from there; a paused machine stays paused. The checkpoint must be in the store the machine was started with,
and of a machine like it: other ones are brought back with vmlapse restore.`;

/** Adds the command. */
export function addRollback(program: Command): void {
  machineCommand(program, 'rollback', 'put a running machine back to a checkpoint')
    .argument('[ref]', REF_HELP)
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, ref: string | undefined, options: { json?: boolean }) => {
      const params = ref === undefined ? {} : { ref };
      const done = await withMachine(name, (client) => client.call('rollback', params));
      printResult(
        options,
        done,
        () =>
          `rolled back to ${done.digest.slice(7, 19)}: ${counted(done.pages, 'page')} in ${done.ms.toFixed(2)} ms\n`,
      );
    });
}
