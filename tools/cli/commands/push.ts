/** `vmlapse push REF REGISTRY/REPOSITORY:TAG`: sends a checkpoint to a registry. */
import type { Command } from 'commander';
import { push } from '../../../snapshot/registry/push.ts';
import { openToRead, print, REF_HELP } from '../store/options.ts';
import { addRegistryOptions, type RegistryCommandOptions, transfer, transferText } from '../store/registry-options.ts';

const EXAMPLES = `
Examples:
  vmlapse push before-login localhost:5000/lab/kernel:before-login
  vmlapse push latest registry.example/lab:nightly --username ci --password-stdin < password.txt

Any OCI registry takes checkpoints. Only blobs that it does not have travel.`;

/** Adds the command. */
export function addPush(program: Command): void {
  const command = program
    .command('push')
    .description('send a checkpoint to an OCI registry')
    .argument('<ref>', REF_HELP)
    .argument('<target>', 'HOST[:PORT]/REPOSITORY:TAG');
  addRegistryOptions(command, 'send')
    .addHelpText('after', EXAMPLES)
    .action(async (ref: string, target: string, options: RegistryCommandOptions) => {
      using store = openToRead(options);
      const report = await transfer(options, (how) => push(store, ref, target, how));
      print(options, report, () => transferText('pushed', report));
    });
}
