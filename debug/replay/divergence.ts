/** What a replay has found to be unlike the recording. */
import { Exit } from '../../src/abi/exits.ts';
import { hex } from '../../src/abi/numbers.ts';
import { VmlapseError } from '../../src/errors.ts';
import { exitName } from '../../src/kvm/exit.ts';
import type { LogEntry, LoggedExit } from '../recording/log.ts';
import { type Position, positionText } from '../recording/position.ts';

/** The first difference that was seen. What caused it lies between the two positions. */
export interface Divergence {
  /** The last position up to which both runs are known to be equal. */
  readonly after: Position;
  /** Where they were seen to differ. */
  readonly at: Position;
  /** What differs, in words. */
  readonly what: string;
}

/** A replay is not the recorded run. `details` are its fields. */
export class ReplayDivergence extends VmlapseError implements Divergence {
  readonly after: Position;
  readonly at: Position;
  readonly what: string;

  constructor(divergence: Divergence) {
    const { after, at, what } = divergence;
    super(
      'DIVERGED',
      `the replay diverged from the recording between ${positionText(after)} and ${positionText(at)}: ${what}`,
      { ...divergence },
    );
    this.after = after;
    this.at = at;
    this.what = what;
  }
}

const bytesText = (bytes: Uint8Array) =>
  bytes.length <= 16 ? Buffer.from(bytes).toString('hex') : `${bytes.length} bytes`;

/** An exit in words: "out 0x3f8 1 byte 41". */
export function exitText({ reason, isWrite, address = 0, width = 0, data }: LoggedExit): string {
  if (!data) return exitName(reason);
  const verb = reason === Exit.MMIO ? (isWrite ? 'MMIO write' : 'MMIO read') : isWrite ? 'out' : 'in';
  const times = data.length > width ? `${data.length / width} times ` : '';
  return `${verb} ${hex(address)} ${times}${width} byte${width === 1 ? '' : 's'} ${bytesText(data)}`;
}

const ENTRY_TEXT: { readonly [K in LogEntry['kind']]: (entry: Extract<LogEntry, { kind: K }>) => string } = {
  exit: exitText,
  time: () => "a look at the host's clock",
  tick: () => 'the time for the timer',
  input: ({ to, bytes }) => `${bytes.length} bytes of ${to} input`,
  interrupt: ({ vector }) => `interrupt ${hex(vector)}`,
  passed: () => 'time',
};

/** An entry of the log in words; "nothing more" at its end. */
export const entryText = (entry: LogEntry | undefined): string =>
  entry === undefined ? 'nothing more' : (ENTRY_TEXT[entry.kind] as (entry: LogEntry) => string)(entry);

/** What differs between the recorded and the replayed exit, in words; undefined where they are the same. */
export function exitDifference(recorded: LoggedExit, replayed: LoggedExit): string | undefined {
  const same =
    recorded.reason === replayed.reason &&
    recorded.isWrite === replayed.isWrite &&
    recorded.address === replayed.address &&
    recorded.width === replayed.width &&
    recorded.data?.length === replayed.data?.length;
  if (!same) return `the guest makes the exit "${exitText(replayed)}", recorded is "${exitText(recorded)}"`;
  if (!recorded.data || Buffer.compare(recorded.data, replayed.data!) === 0) return undefined;
  const who = recorded.isWrite ? 'the guest writes' : 'the device answers';
  return `${who} "${exitText(replayed)}", recorded is "${exitText(recorded)}"`;
}
