/** Recordings of guests that were interrupted in the middle of a computation, at places that are not found, or that steps pass over. */
import { expect, it } from 'vitest';
import { dirtyStretches } from '../../debug/blame/writes.ts';
import { History } from '../../debug/history.ts';
import { Recorder } from '../../debug/recording/recorder.ts';
import { findCulprit } from '../../debug/replay/culprit.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import { Interval } from '../../debug/replay/interval.ts';
import { openRecording, type Recording } from '../../debug/replay/recording.ts';
import { Replayer } from '../../debug/replay/replayer.ts';
import { Traveler } from '../../debug/travel/traveler.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { CheckpointError, UsageError } from '../../src/errors.ts';
import { KickTimer } from '../../src/ffi/signals.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import {
  CHIPS,
  COUNTS,
  DEPENDS_ON_TIME,
  ENDS,
  interruptions,
  NO_BREAKS,
  named,
  SETS_HANDLER,
  UNTIL_TWO_TICKS,
  WITHOUT_BREAKS,
  withHandler,
} from './interrupted-code.ts';
import { look } from './straight.ts';
import { machineOfCode, record, recordGuest } from './support.ts';

/** Checkpoints at interruptions alone. */
const RARELY = { everyMs: 600_000 };

/** Exit 1, and a loop without exits, in which it is interrupted. */
const SPINS = withHandler(
  `${SETS_HANDLER}
  b0 20 e6 20             ; out 0x20, 0x20
  fb                      ; sti, at 0x7c1a
  90                      ; again: nop
  ${UNTIL_TWO_TICKS}
  72 f8                   ; jb again
  ${ENDS}`,
  COUNTS,
);
const BEHIND_EXIT = 0x7c1an;

/** Computes for some milliseconds in few steps, without interrupts; where it takes them again it is interrupted, and then it ends. */
const FEW_STEPS = withHandler(
  `${SETS_HANDLER}
  b0 34 e6 43             ; the timer: mode 2,
  b0 a9 e6 40 b0 04 e6 40 ; a tick in a millisecond
  be 00 20                ; mov si, 0x2000
  31 c0 0f a2             ; again: xor ax, ax; cpuid
  4e 75 f9                ; dec si; jnz again
  c6 06 00 50 01          ; mov byte [0x5000], 1
  fb                      ; sti
  b9 00 08 e2 fe          ; mov cx, 0x800; loop here
  b0 61 e6 e9             ; out 0xe9, 'a'
  ${ENDS}`,
  COUNTS,
);

/** The recording as if its segments were others. */
const altered = (recording: Recording, properties: Partial<Record<'segment' | 'open', (index: number) => unknown>>) =>
  Object.create(
    recording,
    Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, { value }])),
  ) as Recording;

/** Does it as on a host whose steps do not stop where a guest was interrupted. */
function passingOver<T>(what: () => T): T {
  const { step } = Replayer.prototype;
  const { isLikePlace } = Interval.prototype;
  Replayer.prototype.step = function (served) {
    Interval.prototype.isLikePlace = () => false;
    try {
      return step.call(this, served);
    } finally {
      Interval.prototype.isLikePlace = isLikePlace;
    }
  };
  try {
    return what();
  } finally {
    Replayer.prototype.step = step;
  }
}

const recordCode = (text: string) => record(machineOfCode(text, CHIPS), RARELY);

describeKvm('where a recorded guest was interrupted, if it is not found again', () => {
  it('nothing since the checkpoint before is verified, and that is said', () => {
    using recorded = recordCode(DEPENDS_ON_TIME);
    const recording = recorded.open();
    const [first] = interruptions(recording) as [number];
    using replayer = new Replayer(recording);
    replayer.runTo(recording.exits);
    expect(replayer.notRun[0]).toEqual({ from: 0, to: first });
    using history = new History(recording);
    history.seek(history.end);
    const value = history.machine.memory.read(0x3000, 4).slice();
    const [write, ...more] = history.writes({ gpa: 0x3000, length: 4 });
    expect(more).toEqual([]);
    expect(write).toMatchObject({ isExact: false, by: 'vcpu', position: { exits: 0, steps: 0 }, until: first });
    expect(write).not.toHaveProperty('rip');
    expect(write!.new).toEqual(value);
  });

  it('the search for it ends, also if the kick that ends it is lost', () => {
    using recorded = recordCode(DEPENDS_ON_TIME);
    const recording = recorded.open();
    using replayer = new Replayer(recording);
    const { arm } = KickTimer.prototype;
    KickTimer.prototype.arm = () => {};
    try {
      replayer.runTo(recording.exits);
    } finally {
      KickTimer.prototype.arm = arm;
    }
    expect(replayer.notRun.length).toBeGreaterThan(0);
  });

  it('what is left in the log there is a difference, and no instruction is named for it', () => {
    using recorded = recordCode(SPINS);
    const recording = recorded.open();
    const changed = altered(recording, {
      segment: (index) => {
        const { log, ...head } = recording.segment(index);
        return { ...head, log: index === 1 ? Buffer.concat([log, Buffer.of(0x42, 0x08)]) : log }; // interrupt 8
      },
    });
    using replayer = new Replayer(changed);
    let divergence: unknown;
    try {
      replayer.runTo(changed.exits);
    } catch (error) {
      divergence = error;
    }
    if (!(divergence instanceof ReplayDivergence)) throw divergence;
    expect(divergence.what).toBe('the recording has interrupt 0x8 here, the replay has not');
    const culprit = findCulprit(changed, divergence);
    expect(culprit).toHaveProperty('why', expect.stringMatching(/^not all was compared: .* was not found again/));
  });

  it('no breakpoint is looked for before it, and the replay stands at the checkpoint before', async () => {
    using recorded = recordCode(DEPENDS_ON_TIME);
    using history = new History(recorded.open());
    const { replayer } = history;
    const there = look(history);
    replayer.runTo(1);
    expect(() => replayer.runToBreak([0x7c00n], 2)).toThrow(UsageError);
    expect(replayer.position).toEqual({ exits: 0, steps: 0 });
    expect(look(history)).toBe(there);
    history.seek(history.end);
    const traveler = new Traveler(history);
    await traveler.setBreakpoint(0x7c00n);
    await expect(traveler.past.back('run')).rejects.toThrow(
      /^no breakpoint can be looked for further back: .*was not found again/,
    );
    expect(history.position).toEqual(history.end);
  });

  it('there are at most as many breakpoints as the processor has', () => {
    using recorded = recordCode(SPINS);
    using replayer = new Replayer(recorded.open());
    expect(() => replayer.runToBreak([1n, 2n, 3n, 4n, 5n], 1)).toThrow(/the processor has 4 breakpoints/);
  });

  it('a difference that came earlier is seen while it is looked for which pages are written', () => {
    using recorded = recordCode(SPINS);
    const recording = recorded.open();
    const [first] = interruptions(recording) as [number];
    using replayer = new Replayer(recording);
    const { memory } = replayer.machine;
    for (const { to } of dirtyStretches(replayer, 1, [2])) if (to === 1) memory.write(0x9000, Uint8Array.of(1));
    expect(replayer.notRun).toEqual([{ from: 0, to: first }]);
    expect(memory.read(0x9000, 1)[0]).toBe(0);
  });
});

describeKvm('where a recorded guest was interrupted', () => {
  it.skipIf(NO_BREAKS)(
    named('a breakpoint right behind the last exit before is found, going back', NO_BREAKS, WITHOUT_BREAKS),
    async () => {
      using recorded = recordCode(SPINS);
      using history = new History(recorded.open());
      expect(interruptions(history.recording)[0]).toBe(2);
      history.seek(history.end);
      const traveler = new Traveler(history);
      await traveler.setBreakpoint(BEHIND_EXIT);
      expect(await traveler.past.back('run')).toMatchObject({ kind: 'software' });
      expect(history.position).toEqual({ exits: 1, steps: 0 });
      expect(await traveler.past.back('run')).toMatchObject({ kind: 'first' });
    },
  );

  it.skipIf(NO_BREAKS)(
    named('is behind a breakpoint at the instruction that is next', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using recorded = recordGuest('timer-spin');
      const recording = recorded.open();
      const [exits] = interruptions(recording) as [number];
      using replayer = new Replayer(recording);
      replayer.runTo(exits - 1);
      expect(replayer.runToBreak([replayer.registers.regs.rip], exits)).toBe(true);
      expect(replayer.exits).toBe(exits - 1);
      replayer.runTo(exits);
      expect(replayer.notRun).toEqual([]);
    },
  );

  it.skipIf(NO_BREAKS)(
    named('is come to also if the steps pass over it, and no step leads there then', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using recorded = recordCode(FEW_STEPS);
      const recording = recorded.open();
      const [exits] = interruptions(recording) as [number];
      expect(exits).toBe(4);
      let said = '';
      using history = new History(recording, {
        output: (_, bytes) => {
          said += Buffer.from(bytes).toString();
        },
      });
      history.seek({ exits, steps: 0 });
      const there = look(history);
      history.seek({ exits: exits - 1, steps: 0 });
      expect(history.replayer.stepProblem).toBeUndefined();
      passingOver(() => {
        while (history.position.exits < exits) expect(history.step()).toBe(true);
      });
      expect(history.position).toEqual({ exits, steps: 0 });
      expect(look(history)).toBe(there);
      expect(said).toBe('');
      expect(() => history.stepBack()).toThrow(/is passed over by steps on this host: go to 4/);
      expect(history.replayer.notRun).toEqual([]);
    },
  );

  it.skipIf(NO_BREAKS)(
    named('is the end of what a write is blamed for, if the steps pass over it', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using recorded = recordCode(FEW_STEPS);
      const write = () => {
        using history = new History(recorded.open());
        history.seek(history.end);
        return history.writes({ gpa: 0x5000, length: 1 });
      };
      expect(write()).toMatchObject([{ isExact: true, position: { exits: 3 } }]);
      expect(passingOver(write)).toMatchObject([{ isExact: false, position: { exits: 3, steps: 0 } }]);
    },
  );

  it.skipIf(NO_BREAKS)(
    named('a checkpoint that fails there is none, and the recording goes on', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      using machine = machineOfCode(SPINS, CHIPS);
      using recorder = new Recorder(machine, store, RARELY);
      const full = new CheckpointError('NO_SPACE', 'no space is left');
      Object.assign(store, {
        commit() {
          throw full;
        },
      });
      expect(() => recorder.run({ timeoutMs: scaled(10_000) })).toThrow(full);
      expect(recorder.exits).toBe(1);
      Reflect.deleteProperty(store, 'commit');
      expect(recorder.run({ timeoutMs: scaled(10_000) })).toMatchObject({ reason: 'exit-port' });
      const { digest, exits } = recorder.finish();
      const recording = openRecording(store, digest);
      expect(interruptions(recording)[0]).toBe(2);
      using replayer = new Replayer(recording);
      replayer.runTo(exits);
      expect(replayer.notRun).toEqual([]);
    },
  );
});

describeKvm('two checkpoints after as many exits', () => {
  it('are passed by steps, in the middle and at the end', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = machineOfCode(SPINS, CHIPS);
    let stops = 1;
    using recorder = new Recorder(machine, store, {
      ...RARELY,
      served: () => (stops-- > 0 ? { reason: 'stop-point', stopPoint: 'here' } : undefined),
    });
    recorder.run();
    recorder.checkpoint();
    recorder.checkpoint();
    expect(recorder.run({ timeoutMs: scaled(10_000) })).toMatchObject({ reason: 'exit-port' });
    recorder.checkpoint();
    const { digest, exits } = recorder.finish();
    const recording = openRecording(store, digest);
    expect(recording.points.slice(0, 3).map((point) => point.exits)).toEqual([0, 1, 1]);
    expect(recording.points.slice(-2).map((point) => point.exits)).toEqual([exits, exits]);
    using replayer = new Replayer(recording);
    replayer.runTo(1);
    while (replayer.exits === 1) expect(replayer.step()).toBe(true);
    expect(replayer.position).toEqual({ exits: 2, steps: 0 });
    expect(recording.isInterruption(2)).toBe(true);
    replayer.runTo(exits);
    expect(replayer.step()).toBe(false);
    replayer.load(recording.points.length - 2);
    expect(replayer.step()).toBe(false);
  });

  it('are the first compared, and the second loaded, since nothing ran between them', () => {
    using recorded = recordGuest('hello-long', RARELY);
    const recording = recorded.open();
    const last = recording.points.length - 1;
    const twice = altered(recording, {
      segment: (index) =>
        index <= last
          ? recording.segment(index)
          : { ...recording.segment(last), from: recording.exits, log: Buffer.of() },
      open: (index) => recording.open(index <= last ? index : 0),
    });
    Object.defineProperty(twice, 'points', { value: [...recording.points, recording.points[last]] });
    using replayer = new Replayer(twice);
    const first = replayer.registers.regs.rip;
    replayer.runTo(twice.exits);
    expect(replayer.position).toEqual({ exits: twice.exits, steps: 0 });
    expect(replayer.registers.regs.rip).toBe(first);
  });
});
