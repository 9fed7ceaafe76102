/** `vmlapse checkpoint NAME`: takes a checkpoint of a running machine; it runs on. */
import type { Command } from 'commander';
import { checkpointStats, checkpointText } from '../machine-text.ts';
import { collect } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { machineCommand, printResult, withMachine } from '../with-machine.ts';

interface CheckpointOptions extends ProgressOptions {
  readonly label?: string;
  readonly tag?: readonly string[];
}

const EXAMPLES = `
Examples:
  vmlapse checkpoint kitchen
  vmlapse checkpoint kitchen --tag before-upgrade --label "all quiet"

It is on disk when the command returns, in the store the machine was started with. A paused machine stays paused.`;

/** Adds the command. */
export function addCheckpoint(program: Command): void {
  machineCommand(program, 'checkpoint', 'take a checkpoint of a running machine')
    .option('--label <text>', 'a note to keep with it')
    .option('--tag <tag>', 'a name to restore it by; may be repeated', collect)
    .option(...PROGRESS_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: CheckpointOptions) => {
      const { label, tag } = options;
      const params = { ...(label !== undefined && { label }), ...(tag && { tags: tag }) };
      const taken = await withMachine(name, async (client) => {
        using progress = startProgress('writing', options);
        await client.subscribe(['progress'], (event) => {
          if (event.event === 'progress') progress.update(event.done, event.total);
        });
        return await client.call('checkpoint', params);
      });
      printResult(options, taken, () => `checkpoint ${checkpointText(taken)}: ${checkpointStats(taken)}\n`);
    });
}
