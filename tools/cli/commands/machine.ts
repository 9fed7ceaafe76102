/** Commands that make one request of a machine that another process runs; and `ps`, which asks all of them. */
import { ControlError } from '../../../src/errors.ts';
import type { ControlClient } from '../../control/client.ts';
import { connectTo, listMachines } from '../../control/machines.ts';
import type { EndSummary } from '../../control/protocol.ts';
import { type CommandRow, JSON_ARRAY_OPTION, JSON_OPTION } from '../command.ts';
import { checkpointStats, checkpointText, machineTable, statusText } from '../machine-text.ts';
import { print } from '../output.ts';
import { collect } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { counted, short } from '../store/format.ts';
import { REF_HELP } from '../store/options.ts';

/** Time in which a machine must answer a request that takes no work. Milliseconds. */
export const PATIENCE_MS = 10_000;

/** The argument NAME. */
export const NAME_ARGUMENT = { '<name>': 'name of a running machine, as `vmlapse ps` lists it' };

/** Connects to the machine, and disconnects at the end of `use`. */
export async function withMachine<T>(name: string, use: (client: ControlClient) => Promise<T>): Promise<T> {
  const client = await connectTo(name);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** For a machine that closed the connection before an event "end". */
export const connectionLost = (name: string): ControlError =>
  new ControlError(
    'GONE',
    `the connection to ${name} was lost: it was killed, or it dropped a reader too slow for it (see vmlapse ps)`,
  );

/** A command on one machine: a request, and how its result is printed without --json. */
interface MachineCommand<Options, Result> extends Omit<CommandRow, 'run'> {
  request(client: ControlClient, options: Options, ref: string | undefined): Promise<Result>;
  text(result: Result, name: string): string;
}

interface CheckpointOptions extends ProgressOptions {
  readonly label?: string;
  readonly tag?: readonly string[];
}

interface StopOptions {
  readonly powerButton?: boolean;
}

const machineCommand = <Options, Result>(command: MachineCommand<Options, Result>): CommandRow => ({
  ...command,
  arguments: { ...NAME_ARGUMENT, ...command.arguments },
  options: [JSON_OPTION, ...(command.options ?? [])],
  async run(name: string, ...given: unknown[]) {
    const [ref, options] = command.arguments ? given : [undefined, given[0]];
    const ask = (client: ControlClient) => command.request(client, options as Options, ref as string | undefined);
    const result = await withMachine(name, ask);
    print(options as object, result, () => command.text(result, name));
  },
});

/** See the file's header. */
export const MACHINE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'ps',
    about: 'list your running machines that have a name',
    options: [JSON_ARRAY_OPTION],
    help: `Examples:
  vmlapse run --name kitchen guests/build/memory-writer.elf &
  vmlapse ps
  vmlapse ps --json | jq '.[] | select(.state == "paused") | .name'`,
    async run(options: { readonly json?: boolean }) {
      const machines = await listMachines();
      const data = machines.map(({ name, status }) => status ?? { name, state: 'no answer' });
      print(options, data, () => machineTable(machines));
    },
  },
  machineCommand({
    name: 'status',
    about: 'print what a running machine is doing',
    help: `Examples:
  vmlapse status kitchen
  vmlapse status kitchen --json | jq -r .state`,
    request: (client) => client.call('status', {}, PATIENCE_MS),
    text: statusText,
  }),
  machineCommand({
    name: 'pause',
    about: 'pause a running machine',
    help: `Examples:
  vmlapse pause kitchen
  vmlapse checkpoint kitchen --tag before-dinner
  vmlapse resume kitchen

A paused machine stays paused through checkpoints and rollbacks. The time does not count towards its --timeout, and
--every takes no checkpoints. Pausing a paused machine changes nothing.`,
    request: (client) => client.call('pause', {}, PATIENCE_MS),
    text: ({ state }, name) => `${name} is ${state}\n`,
  }),
  machineCommand({
    name: 'resume',
    about: 'let a paused machine go on',
    help: `Examples:
  vmlapse resume kitchen
  vmlapse resume kitchen --json | jq .uptimeMs`,
    request: (client) => client.call('resume', {}, PATIENCE_MS),
    text: ({ state }, name) => `${name} is ${state}\n`,
  }),
  machineCommand({
    name: 'checkpoint',
    about: 'take a checkpoint of a running machine',
    options: [
      ['--label <text>', 'a note to keep with it'],
      ['--tag <tag>', 'a name to restore it by; may be repeated', collect],
      PROGRESS_OPTION,
    ],
    help: `Examples:
  vmlapse checkpoint kitchen
  vmlapse checkpoint kitchen --tag before-upgrade --label "all quiet"

It is on disk when the command returns, in the store the machine was started with. The machine runs on; a paused machine
stays paused.`,
    async request(client, options: CheckpointOptions) {
      const { label, tag } = options;
      using progress = startProgress('writing', options);
      await client.subscribe(['progress'], (event) => {
        if (event.event === 'progress') progress.update(event.done, event.total);
      });
      return await client.call('checkpoint', { ...(label !== undefined && { label }), ...(tag && { tags: tag }) });
    },
    text: (taken) => `checkpoint ${checkpointText(taken)}: ${checkpointStats(taken)}\n`,
  }),
  machineCommand({
    name: 'rollback',
    about: 'put a running machine back to a checkpoint',
    arguments: { '[ref]': REF_HELP },
    help: `Examples:
  vmlapse rollback kitchen                  to the checkpoint it took, was restored from or was rolled back to last;
                                            vmlapse status shows it
  vmlapse rollback kitchen before-upgrade

It runs on from there; a paused machine stays paused. The checkpoint must be in the store the machine was started with,
and of a machine like it: use vmlapse restore for other ones.`,
    request: (client, _options, ref) => client.call('rollback', ref === undefined ? {} : { ref }),
    text: ({ digest, pages, ms }) =>
      `rolled back to ${short(digest)}: ${counted(pages, 'page')} in ${ms.toFixed(2)} ms\n`,
  }),
  machineCommand({
    name: 'stop',
    about: 'end a running machine',
    options: [['--power-button', 'press its power button: an operating system with ACPI shuts down by itself']],
    help: `Examples:
  vmlapse stop kitchen
  vmlapse stop kitchen --power-button

Returns when the machine is gone. Its own command ends as on Ctrl-C, with exit status 130, after the checkpoint of
--checkpoint-at end, if it has that option. After --power-button it ends as the guest ends it; a paused
machine hears of it when it goes on.`,
    async request(client, { powerButton = false }: StopOptions): Promise<EndSummary & { readonly name: string }> {
      const { name } = client;
      await client.subscribe(['end'], () => {});
      await client.unlessEnded(client.call('stop', { powerButton }, PATIENCE_MS));
      await client.closed;
      if (client.end) return { name, ...client.end };
      throw new ControlError('GONE', `machine ${name} is gone, and has not reported how it ended`);
    },
    text: ({ reason }, name) => `${name} has ended: ${reason}\n`,
  }),
];
