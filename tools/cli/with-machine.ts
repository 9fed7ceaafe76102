/** What the commands that talk to a running machine share. */
import { Argument, type Command } from 'commander';
import { ControlError } from '../../src/errors.ts';
import type { ControlClient } from '../control/client.ts';
import { connectTo } from '../control/machines.ts';
import { toJson } from './json.ts';
import { forStdout } from './terminal-text.ts';

/** How long a machine may take to answer what it can answer at once. Milliseconds. */
export const PATIENCE_MS = 10_000;

/** The argument NAME. */
export const nameArgument = () => new Argument('<name>', 'name of a running machine, as `vmlapse ps` lists it');

/** Connects to the machine, and disconnects whatever happens. */
export async function withMachine<T>(name: string, use: (client: ControlClient) => Promise<T>): Promise<T> {
  const client = await connectTo(name);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Adds a command on one machine, with --json. */
export function machineCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addArgument(nameArgument())
    .option('--json', 'print one JSON document instead');
}

/** Prints a result, as JSON or as lines for people. */
export function printResult(options: { readonly json?: boolean }, result: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${toJson(result)}\n` : forStdout(text()));
}

/** For a machine that closed the connection without a word about its end. */
export const connectionLost = (name: string): ControlError =>
  new ControlError(
    'GONE',
    `the connection to ${name} was lost: it was killed, or it dropped a reader too slow for it (see vmlapse ps)`,
  );
