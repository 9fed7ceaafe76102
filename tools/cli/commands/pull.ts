/** `vmlapse pull REGISTRY/REPOSITORY:TAG`: fetches a checkpoint from a registry. */
import type { Command } from 'commander';
import { pull } from '../../../snapshot/registry/pull.ts';
import { withStore } from '../store/new-store.ts';
import { print } from '../store/options.ts';
import { addRegistryOptions, type RegistryCommandOptions, transfer, transferText } from '../store/registry-options.ts';

const EXAMPLES = `
Examples:
  vmlapse pull localhost:5000/lab/kernel:before-login --store lab
  vmlapse pull registry.example/lab:nightly --tag nightly --token-stdin < token.txt

Only blobs that the store does not have whole travel, and each is checked against its digest. The store can be used
meanwhile; it is changed when everything has arrived, or not at all.`;

/** Adds the command. */
export function addPull(program: Command): void {
  const command = program
    .command('pull')
    .description('fetch a checkpoint from an OCI registry into a store, which is made if it is not there')
    .argument('<source>', 'HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]');
  addRegistryOptions(command, 'fetch')
    .option('--tag <name>', 'its name here (default: the same)')
    .addHelpText('after', EXAMPLES)
    .action(async (source: string, options: RegistryCommandOptions & { readonly tag?: string }) => {
      const { tag } = options;
      const report = await withStore(options, (store) =>
        transfer(options, (how) => pull(store, source, { ...how, ...(tag !== undefined && { tag }) })),
      );
      print(options, report, () => transferText('pulled', report));
    });
}
