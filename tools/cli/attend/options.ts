/** Options of the commands that run a machine: `run` and `restore`. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import type { AssistMode } from '../../../src/runner/assist.ts';
import { countUpTo, parseCount, parseDuration } from '../parse.ts';
import type { RecorderOptions } from './recorder.ts';
import { parseTrigger, TRIGGER_HELP } from './triggers.ts';

/** The options' values. */
export interface AttendOptions extends RecorderOptions {
  readonly timeout?: number;
  readonly name?: string;
  /** Waits for `vmlapse resume`; only with a name. */
  readonly paused?: boolean;
  readonly assist: AssistMode;
  readonly trace?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** What is said below the options of each of these commands. */
export const EXIT_STATUS_HELP = `
Times have a unit: us, ms, s, m or h.
Exit status: what the guest wrote to the debug-exit port (& 255); 0 when it halted, powered off or asked for a reset;
124 when the time was up; 125 for a failure, wrong usage, or a checkpoint that was asked for and not taken; 126 for a
guest fault; 130 on Ctrl-C or vmlapse stop. --json says in words how it ended.
On a terminal, Ctrl-A x leaves and Ctrl-A h helps.`;

/** Adds the options. */
export function addAttendOptions(command: Command): Command {
  return command
    .option('--name <name>', 'let vmlapse ps, pause, checkpoint, console … reach the machine under this name')
    .option('--timeout <time>', 'stop the guest when it has run for this time: 500ms, 10s, 2m', parseDuration)
    .addOption(
      new Option('--assist <when>', 'do instructions here that KVM cannot emulate')
        .choices(['auto', 'on', 'off'])
        .default('auto'),
    )
    .option('--checkpoint-at <when>', TRIGGER_HELP, parseTrigger)
    .option('--every <time>', 'take a checkpoint at this interval: 100ms, 5s, 2m', parseDuration)
    .option('--keep <n>', 'with --every: keep the last N checkpoints of this run', parseCount)
    .option('--max-pause <time>', 'rather no checkpoint than a pause longer than this: 500us, 2ms', parseDuration)
    .option('--level <n>', 'zstd level of checkpoints, 1 to 22', countUpTo(22, 'zstd has no higher level'))
    .option('--trace', 'print every ioctl to stderr, decoded (also: VMLAPSE_TRACE=1)')
    .option('-q, --quiet', 'no summary')
    .option('--json', 'print one JSON document with the result and the output instead');
}

/** Refuses an option that would do nothing. Throws UsageError. */
export function checkAttendOptions({ keep, every }: AttendOptions): void {
  if (keep !== undefined && every === undefined)
    throw new UsageError('--keep is about the checkpoints that --every takes: add --every TIME');
}
