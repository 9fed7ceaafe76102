/** `vmlapse ps`: the running machines that have a name. */
import type { Command } from 'commander';
import { listMachines } from '../../control/machines.ts';
import { machineTable } from '../machine-text.ts';
import { printResult } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse run --name kitchen guests/build/memory-writer.elf &
  vmlapse ps
  vmlapse ps --json | jq '.[] | select(.state == "paused") | .name'`;

/** Adds the command. */
export function addPs(program: Command): void {
  program
    .command('ps')
    .description('list your running machines that have a name')
    .option('--json', 'print one JSON array instead')
    .addHelpText('after', EXAMPLES)
    .action(async (options: { json?: boolean }) => {
      const machines = await listMachines();
      const data = machines.map(({ name, status }) => status ?? { name, state: 'no answer' });
      printResult(options, data, () => machineTable(machines));
    });
}
