/** `vmlapse stop NAME`: ends a running machine as Ctrl-C would. */
import type { Command } from 'commander';
import { ControlError } from '../../../src/errors.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { machineCommand, PATIENCE_MS, printResult, withMachine } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse stop kitchen

Returns when the machine is gone. Its own command ends as on Ctrl-C, with exit status 130; what it was asked to do at
its end (--checkpoint-at end) is done.`;

/** Adds the command. */
export function addStop(program: Command): void {
  machineCommand(program, 'stop', 'end a running machine')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: { json?: boolean }) => {
      const end = await stop(name);
      printResult(options, { name, ...end }, () => `${name} has ended: ${end.reason}\n`);
    });
}

function stop(name: string): Promise<EndSummary> {
  return withMachine(name, async (client) => {
    let end: EndSummary | undefined;
    await client.subscribe(['end'], (event) => {
      if (event.event === 'end') end = { reason: event.reason, exitStatus: event.exitStatus };
    });
    await client.call('stop', {}, PATIENCE_MS);
    await client.closed;
    if (end) return end;
    throw new ControlError('GONE', `machine ${name} is gone, and has not said how it ended`);
  });
}
