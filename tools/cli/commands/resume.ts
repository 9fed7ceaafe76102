/** `vmlapse resume NAME`: lets a paused machine go on. */
import type { Command } from 'commander';
import { machineCommand, PATIENCE_MS, printResult, withMachine } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse resume kitchen
  vmlapse resume kitchen --json | jq .uptimeMs`;

/** Adds the command. */
export function addResume(program: Command): void {
  machineCommand(program, 'resume', 'let a paused machine go on')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: { json?: boolean }) => {
      const status = await withMachine(name, (client) => client.call('resume', {}, PATIENCE_MS));
      printResult(options, status, () => `${name} is ${status.state}\n`);
    });
}
