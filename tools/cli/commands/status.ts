/** `vmlapse status NAME`: one running machine in detail. */
import type { Command } from 'commander';
import { statusText } from '../machine-text.ts';
import { machineCommand, PATIENCE_MS, printResult, withMachine } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse status kitchen
  vmlapse status kitchen --json | jq -r .state`;

/** Adds the command. */
export function addStatus(program: Command): void {
  machineCommand(program, 'status', 'say what a running machine is doing')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: { json?: boolean }) => {
      const status = await withMachine(name, (client) => client.call('status', {}, PATIENCE_MS));
      printResult(options, status, () => statusText(status));
    });
}
