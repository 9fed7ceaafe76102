/** Options of the commands that run a machine: `run` and `restore`. */
import { Option } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import type { AssistMode } from '../../../src/runner/assist/mode.ts';
import { DEFAULT_ADDRESS, type ListenAddress, parseListenAddress } from '../../gdb/address.ts';
import type { CommandRow } from '../command.ts';
import { isInteractive } from '../console.ts';
import { countUpTo, parseCount, parseDuration, parseOutputFile, parseSize } from '../parse.ts';
import type { ScheduleOptions } from './schedule.ts';
import { checkTracing, type TracingOptions, tracing } from './tracing.ts';
import { parseTrigger, TRIGGER_HELP } from './triggers.ts';

/** The options' values. */
export interface SessionOptions extends ScheduleOptions, TracingOptions {
  readonly timeout?: number;
  readonly name?: string;
  /** Waits for `vmlapse resume`; only with a name. */
  readonly paused?: boolean;
  /** Waits at the first instruction for a debugger, at this address; true: the default one. */
  readonly gdb?: string | true;
  readonly listenAnywhere?: boolean;
  /** Starts a debugger at the door and resolves when it has ended: the machine is its own, and so is the terminal. */
  readonly debugger?: (door: ListenAddress) => Promise<void>;
  /** Draws the guest's text screen in the terminal. */
  readonly screen?: boolean;
  readonly assist: AssistMode;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Text below the options of each of these commands. */
export const EXIT_STATUS_HELP = `
Times have a unit: us, ms, s, m or h.
Exit status: what the guest wrote to the debug-exit port (& 255); 0 when it halted, powered off or asked for a reset;
124 when the time was up; 125 for a failure, wrong usage, or a checkpoint that was asked for and not taken; 126 for a
guest fault; 130 on Ctrl-C or vmlapse stop. --json has it in words.
On a terminal, Ctrl-A x leaves and Ctrl-A h helps. With --screen, the last screen
and what came on the serial port are printed at the end.`;

/** For every command that opens a debug door. */
export const LISTEN_ANYWHERE: NonNullable<CommandRow['options']>[number] = [
  '--listen-anywhere',
  'let debuggers connect from other hosts, too: there is no password',
];

/** The options. */
export const SESSION_OPTIONS: NonNullable<CommandRow['options']> = [
  ['--name <name>', 'let vmlapse ps, pause, checkpoint, console … reach the machine under this name'],
  ['--screen', "show the guest's text screen (VGA) in this terminal; keys go to its keyboard"],
  ['--gdb [addr]', 'wait for gdb or lldb, at PORT, HOST:PORT or unix:PATH; default: 127.0.0.1:1234, 0: any free port'],
  LISTEN_ANYWHERE,
  ['--timeout <time>', 'stop the guest when it has run for this time: 500ms, 10s, 2m', parseDuration],
  new Option('--assist <when>', 'execute instructions here that KVM cannot emulate')
    .choices(['auto', 'on', 'off'])
    .default('auto'),
  ['--checkpoint-at <when>', TRIGGER_HELP, parseTrigger],
  ['--every <time>', 'take a checkpoint at this interval: 100ms, 5s, 2m', parseDuration],
  ['--keep <n>', 'with --every: keep the last N checkpoints of this run', parseCount],
  ['--max-pause <time>', 'take no checkpoint that needs a longer pause than this: 500us, 2ms', parseDuration],
  ['--level <n>', 'zstd level of checkpoints, 1 to 22', countUpTo(22, 'zstd has no higher level')],
  ['--trace', 'print every ioctl to stderr, decoded (also: VMLAPSE_TRACE=1)'],
  ['--trace-file <file>', 'record every ioctl of every thread in this file; vmlapse trace shows it', parseOutputFile],
  ['--trace-limit <size>', 'how large that file may be (default: 64M)', parseSize],
  ['-q, --quiet', 'no summary'],
  ['--json', 'print one JSON document with the result and the output instead'],
];

/** Throws UsageError for an option that would have no effect. */
export function checkSessionOptions(options: SessionOptions): void {
  const { keep, every, gdb, listenAnywhere } = options;
  checkScreenOptions(options, tracing(options));
  checkTracing(options);
  if (gdb !== undefined) gdbAddress(options);
  else if (listenAnywhere) throw new UsageError('--listen-anywhere is about the address of --gdb: add --gdb ADDR');
  if (keep !== undefined && every === undefined)
    throw new UsageError('--keep is about the checkpoints that --every takes: add --every TIME');
}

/** Where `--gdb` listens. Throws UsageError. */
export const gdbAddress = ({ gdb, listenAnywhere }: Pick<SessionOptions, 'gdb' | 'listenAnywhere'>): ListenAddress =>
  typeof gdb === 'string' ? parseListenAddress(gdb, listenAnywhere) : DEFAULT_ADDRESS;

/** Throws UsageError where the screen cannot be drawn. */
function checkScreenOptions(options: { readonly screen?: boolean; readonly json?: boolean }, traces: boolean): void {
  if (!options.screen) return;
  if (options.json) throw new UsageError('--screen draws where --json prints: leave one of them out');
  if (traces) throw new UsageError('--screen draws where --trace prints: leave one of them out');
  if (!isInteractive())
    throw new UsageError(
      '--screen needs a terminal for input and output; elsewhere give the machine a --name, and use vmlapse screen NAME',
    );
}
