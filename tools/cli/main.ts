/** The command line: parses, runs, and turns what was thrown into a message and an exit status. */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { UsageError, VmlapseError } from '../../src/errors.ts';
import { flushOutput, installPipeHandlers, printLine } from './output.ts';
import { createProgram } from './program.ts';
import { EXIT, passesOn } from './run-end.ts';
import { printable } from './store/format.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Prints what went wrong and returns the exit status for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.OK;
    if (error.code === 'commander.help') return EXIT.USAGE;
  }
  if (error instanceof VmlapseError || error instanceof CommanderError) {
    printLine(`vmlapse: ${legible(error.message)}`);
    return isUsage(error) ? EXIT.USAGE : EXIT.FAILURE;
  }
  printLine(`vmlapse: a defect in vmlapse, please report it: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.FAILURE;
}

/** Without control characters: a message may quote text of others. */
const legible = (message: string) => message.split('\n').map(printable).join('\n');

/** A tag or reference that could not name anything is wrong usage; one that names nothing is a failure. */
const isUsage = (error: VmlapseError | CommanderError) =>
  !(error instanceof VmlapseError) || error instanceof UsageError || ['BAD_REF', 'BAD_TAG'].includes(error.code);

/** Runs the command that this process was started with, and ends the process. */
export async function main(): Promise<never> {
  const attends = passesOn(process.argv.slice(2));
  installPipeHandlers(attends);
  if (process.env.VMLAPSE_TRACE === '1') (await import('./session/tracing.ts')).startTracing({});
  try {
    const program = await createProgram(version, process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    const status = report(error);
    process.exitCode = attends && status !== EXIT.OK ? EXIT.OURS : status;
  }
  await flushOutput();
  return process.exit();
}
