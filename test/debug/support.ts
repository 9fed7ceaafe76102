/** Recordings of guests in stores of their own, and replays of them. */
import { Recorder, type RecordOptions, type RecordReport, WAITS } from '../../debug/recording/recorder.ts';
import { openRecording, type Recording } from '../../debug/replay/recording.ts';
import { Replayer } from '../../debug/replay/replayer.ts';
import { GUESTS, type Guest, guestNamed } from '../../guests/list.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { machineOf } from '../snapshot/fidelity/play.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { code } from '../support/code.ts';
import { scaled } from '../support/time.ts';

/** Guests of the 8259s that need no APIC and no key. */
export const CHIP_GUESTS: readonly string[] = ['timer-pit', 'boot-timer', 'echo-irq'];

/** Guests that can be recorded and come to an end. */
export const RECORDABLE: readonly string[] = GUESTS.filter(
  ({ name, options, expect }) =>
    options.cpus === 1 && (options.irqchip !== 'yes' || CHIP_GUESTS.includes(name)) && expect.ending.kind !== 'endless',
).map(({ name }) => name);

/** A recorded run, its store still there. */
export interface Recorded extends Disposable {
  readonly store: Store;
  readonly said: string;
  readonly end: RunEnd;
  readonly report: RecordReport;
  open(): Recording;
}

/** Records the machine to its end. Takes the machine over. */
export function record(machine: Machine, options: RecordOptions & { readonly input?: string } = {}): Recorded {
  const { input, ...rest } = options;
  const directory = temporaryDirectory();
  const store = openStore(directory.path, { create: true });
  let said = '';
  using _machine = machine;
  using recorder = new Recorder(machine, store, {
    everyMs: 10,
    output: (_, bytes) => {
      said += Buffer.from(bytes).toString('latin1');
    },
    ...rest,
  });
  if (input !== undefined) recorder.send(Buffer.from(input));
  const end = recorder.run({ timeoutMs: scaled(20_000) });
  const report = recorder.finish();
  return {
    ...{ store, end, report, said },
    open: () => openRecording(store),
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}

/** The machine of `vmlapse run --record`. */
export const recordableMachine = (guest: Guest): Machine => machineOf(guest, false, guest.options.irqchip !== 'no');

/** Records a guest of the list. */
export function recordGuest(name: string, options: RecordOptions = {}): Recorded {
  const guest = guestNamed(name);
  const { stdin } = guest.options;
  return record(recordableMachine(guest), { ...options, ...(stdin !== undefined && { input: stdin }) });
}

/** A machine with real-mode code, as hex with comments after semicolons, at 0x7c00. */
export function machineOfCode(text: string, { userChips = false } = {}): Machine {
  const machine = Machine.create({ memory: 2 ** 20, irqchip: false, userChips });
  bootImage(
    machine,
    load(code(text), { format: 'flat', mode: 'real', load: 0x7c00, memoryMap: machine.memory.memoryMap }),
  );
  return machine;
}

/** Replays from the beginning to the end; what the guest said. Throws ReplayDivergence. */
export function replayed(recording: Recording): { readonly said: string; readonly exits: number } {
  let said = '';
  using replayer = new Replayer(recording, {
    output: (_, bytes) => {
      said += Buffer.from(bytes).toString('latin1');
    },
  });
  replayer.runTo(recording.exits);
  return { said, exits: replayer.exits };
}

export { WAITS };
