/** `vmlapse pause NAME`: no guest code runs until `vmlapse resume NAME`. */
import type { Command } from 'commander';
import { machineCommand, PATIENCE_MS, printResult, withMachine } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse pause kitchen
  vmlapse checkpoint kitchen --tag before-dinner
  vmlapse resume kitchen

A paused machine stays paused, whatever checkpoints and rollbacks are done meanwhile. The time does not count towards
its --timeout, and --every takes no checkpoints. A machine that is paused already stays as it is.`;

/** Adds the command. */
export function addPause(program: Command): void {
  machineCommand(program, 'pause', 'pause a running machine')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: { json?: boolean }) => {
      const status = await withMachine(name, (client) => client.call('pause', {}, PATIENCE_MS));
      printResult(options, status, () => `${name} is ${status.state}\n`);
    });
}
