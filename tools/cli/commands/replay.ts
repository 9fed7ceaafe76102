/** `vmlapse replay`: runs a recorded run again, and checks that it is the same. */
import { type Position, parsePosition, positionText } from '../../../debug/recording/position.ts';
import { findCulprit } from '../../../debug/replay/culprit.ts';
import { ReplayDivergence } from '../../../debug/replay/divergence.ts';
import type { NotRun } from '../../../debug/replay/interruptions.ts';
import { openRecording, type Recording } from '../../../debug/replay/recording.ts';
import { Replayer } from '../../../debug/replay/replayer.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../../src/errors.ts';
import { disassemble } from '../../../src/runner/fault/disassemble.ts';
import type { CommandRow } from '../command.ts';
import { print, printLine, writeTo } from '../output.ts';
import { EXIT } from '../run-end.ts';
import { counted, short } from '../store/format.ts';
import { openToRead, REF_HELP, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';
import { findSymbols } from '../symbols.ts';

interface ReplayOptions extends StoreCommandOptions {
  readonly to: string;
  readonly ref: string;
  readonly verify?: boolean;
  readonly quiet?: boolean;
  readonly symbols?: string;
}

export const REPLAY: CommandRow = {
  name: 'replay',
  about: 'run a recorded run again, and check that it is the same',
  arguments: { '[ref]': `the recording that leads to this checkpoint: ${REF_HELP}; default: latest` },
  options: [
    ...STORE_OPTIONS,
    ['--to <where>', 'stop there: a position as 112 or 112+5, a checkpoint, or end', (text: string) => text, 'end'],
    ['--verify', 'from the beginning, comparing every checkpoint on the way bit for bit'],
    ['--symbols <file>', 'the ELF file whose symbols name addresses'],
    ['-q, --quiet', 'without what the guest prints'],
  ],
  help: `Examples:
  vmlapse run --record --store lab guests/build/compute.elf
  vmlapse replay --store lab
  vmlapse replay --store lab --to 112
  vmlapse replay --store lab --verify --quiet

The run is that of the recording: each exit and, at each checkpoint, all state and memory are compared. Where it differs, the
first difference is told, and the exit status is 1. Where the guest was interrupted in the middle of a computation, and that place is
not found again, the replay goes on from the checkpoint there: the exits since the checkpoint before were compared, state and memory
were not. That is told, too, and with --verify the exit status is 1. Without --verify, --to begins at the last checkpoint before.`,
  run: replay,
};

async function replay(ref: string | undefined, options: ReplayOptions): Promise<void> {
  using store = openToRead(options);
  const recording = openRecording(store, ref);
  const position = targetOf(recording, options.to);
  const target = position.exits;
  const began = performance.now();
  using replayer = new Replayer(recording, {
    output: (channel, bytes) => {
      if (channel === 'serial' && !options.quiet && !options.json) void writeTo(process.stdout, bytes.slice());
    },
  });
  if (!options.verify && options.to !== 'end') replayer.load(recording.pointBefore(target));
  const from = replayer.exits;
  // Of two with as many exits the second is loaded: nothing ran between them.
  const checked = new Set(recording.points.flatMap(({ exits }) => (exits > from && exits <= target ? exits : []))).size;
  try {
    replayer.runTo(target);
    while (replayer.exits === target && replayer.position.steps < position.steps && replayer.step());
  } catch (error) {
    if (error instanceof ReplayDivergence) explain(recording, error, options);
    throw error;
  }
  const { notRun } = replayer;
  const { exits, steps } = replayer.position;
  const compared = checked - notRun.length;
  if (options.verify && notRun.length > 0) process.exitCode = EXIT.FAILURE;
  const result = { from, exits, steps, checkpoints: compared, notRun, ms: Math.round(performance.now() - began) };
  if (options.json) {
    print(options, result, () => '');
    return;
  }
  const but = notRun.length > 0 ? ', but for what is not verified' : '';
  printLine(
    `vmlapse: the same as recorded${but}: exits ${from} to ${positionText(replayer.position)}, ${counted(compared, 'checkpoint')} compared, ${result.ms} ms`,
  );
  if (notRun.length > 0) printLine(notRunText(notRun));
}

/** Stretches that are listed. */
const LISTED = 8;

/** What is not verified, and why, in lines. */
function notRunText(notRun: readonly NotRun[]): string {
  const list = notRun.slice(0, LISTED).map(({ from, to }) => `${from} to ${to}`);
  const more = notRun.length > LISTED ? ` and ${notRun.length - LISTED} more` : '';
  const [its, end, place] = notRun.length === 1 ? ['its', 'end', 'checkpoint'] : ['their', 'ends', 'checkpoints'];
  return [
    `vmlapse: not verified: ${counted(notRun.length, 'part')}, from ${list.join(', ')}${more}: ${its} exits were compared, state and memory not.`,
    `vmlapse: where the guest was interrupted at ${its} ${end} was not found again: the replay went on from the ${place} there`,
  ].join('\n');
}

/** Names the instruction that is another each time, if there is one. */
function explain(recording: Recording, divergence: ReplayDivergence, { symbols: file }: ReplayOptions): void {
  const culprit = findCulprit(recording, divergence);
  if ('why' in culprit) {
    printLine(`vmlapse: no instruction can be named: ${culprit.why}`);
    return;
  }
  const { position, rip, code, bits, register } = culprit;
  const symbols = findSymbols(file, decodeState(recording.store.config(recording.points[0]!.digest)).description);
  const [line] = disassemble(code, rip, bits, 1);
  const where = symbols.describe(rip) ?? `0x${rip.toString(16)}`;
  printLine(
    `vmlapse: two replays differ first in ${register}, after ${line?.text ?? '?'} at ${where}, position ${positionText(position)}`,
  );
}

/** A position, that of a checkpoint, or that of the end. */
function targetOf(recording: Recording, text: string): Position {
  if (text === 'end') return { exits: recording.exits, steps: 0 };
  const position: Position | undefined = parsePosition(text);
  if (position) {
    if (position.exits <= recording.exits) return position;
    throw new UsageError(
      `the recording has ${counted(recording.exits, 'exit')}: ${positionText(position)} is after its end`,
    );
  }
  const digest = recording.store.resolve(text);
  const point = recording.points.find((one) => one.digest === digest);
  if (!point) throw new UsageError(`${text} (${short(digest)}) is no checkpoint of this recording`);
  return { exits: point.exits, steps: 0 };
}
