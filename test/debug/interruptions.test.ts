/** Recordings of guests that are interrupted in the middle of a computation, without an exit. */
import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import { Recorder } from '../../debug/recording/recorder.ts';
import { openRecording, type Recording } from '../../debug/replay/recording.ts';
import { Replayer } from '../../debug/replay/replayer.ts';
import { Traveler } from '../../debug/travel/traveler.ts';
import { guestNamed } from '../../guests/list.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { UsageError } from '../../src/errors.ts';
import { runHere } from '../../src/runner/local-machine.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { SLOW_HOST, scaled } from '../support/time.ts';
import {
  CHIPS,
  COUNTS,
  ENDS,
  interruptions,
  NO_BREAKS,
  named,
  SETS_HANDLER,
  STEPS_USER,
  UNTIL_TWO_TICKS,
  WITHOUT_BREAKS,
  withHandler,
} from './interrupted-code.ts';
import { look } from './straight.ts';
import { machineOfCode, record, recordableMachine, recordGuest } from './support.ts';

const SAYS: Readonly<Record<string, string>> = {
  'timer-spin': 'busy: 10 ticks\n',
  'timer-compute': 'busy: 10 ticks\n',
  'preempt-pit': 'preempt: ring 3 until 20 interrupts\npreempt: 20 interrupts, all from ring 3\n',
};

/** Runs all of it again. What was not run leads from the point before an interruption to it. */
function runAgain(recording: Recording) {
  let said = '';
  using replayer = new Replayer(recording, {
    output: (_, bytes) => {
      said += Buffer.from(bytes).toString('latin1');
    },
  });
  replayer.runTo(recording.exits);
  const places = interruptions(recording);
  for (const { from, to } of replayer.notRun) {
    expect(places).toContain(to);
    const point = recording.points.findIndex(({ exits }) => exits === to);
    expect(from).toBe(recording.points[point - 1]!.exits);
  }
  return { said, exits: replayer.exits, notRun: replayer.notRun };
}

describeKvm('a recorded guest that makes no exits', () => {
  it.each(Object.entries(SAYS).filter(([name]) => !SLOW_HOST || name === 'timer-spin'))(
    'gets its ticks: %s ends as it does when it is not recorded',
    (name, says) => {
      using machine = recordableMachine(guestNamed(name));
      let said = '';
      const output = (_: string, bytes: Uint8Array) => {
        said += Buffer.from(bytes).toString('latin1');
      };
      expect(runHere(machine, { output, timeoutMs: scaled(20_000) })).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(said).toBe(says);
      using recorded = recordGuest(name);
      expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(recorded.said).toBe(says);
      const recording = recorded.open();
      expect(interruptions(recording).length).toBeGreaterThan(2);
      expect(runAgain(recording)).toMatchObject({ said: says, exits: recording.exits });
    },
  );

  it.skipIf(NO_BREAKS)(
    named('that only spins is run again in all: where it was interrupted is found', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using recorded = recordGuest('timer-spin');
      expect(runAgain(recorded.open()).notRun).toEqual([]);
    },
  );

  it.skipIf(NO_BREAKS)(
    named('that counts is found again in most places, though they are passed often before', NO_BREAKS, WITHOUT_BREAKS),
    () => {
      using recorded = recordGuest('timer-compute');
      const recording = recorded.open();
      const { notRun } = runAgain(recording);
      expect(notRun.length).toBeLessThan(interruptions(recording).length / 2);
    },
  );

  it("is blamed for its ticks: each of them is the handler's", () => {
    using recorded = recordGuest('timer-spin');
    using history = new History(recorded.open());
    history.seek(history.end);
    const symbols = guestSymbols(readGuest('timer-spin'));
    const writes = history.writes({ gpa: symbols.get('timer_ticks')!.address, length: 8 });
    expect(writes.map(({ new: value }) => value[0])).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    const handler = symbols.get('on_tick')!.address;
    for (const { isExact, by, rip } of writes) {
      expect(by).toBe('vcpu');
      expect(isExact).toBe(rip !== undefined);
      if (rip === undefined) continue; // where an interrupt comes, its handler may be a part of the step
      expect(Number(rip)).toBeGreaterThanOrEqual(handler);
      expect(Number(rip)).toBeLessThan(handler + 32);
    }
  });

  it('takes the interrupt at a place that is gone to from anywhere', () => {
    using recorded = recordGuest('timer-spin');
    const recording = recorded.open();
    const last = interruptions(recording).at(-1)!;
    using replayer = new Replayer(recording);
    for (const from of [last - 1, last + 1, 5]) {
      replayer.load(0);
      replayer.runTo(from); // behind the last place, the handler makes an exit, in which interrupts are off
      replayer.load(recording.pointBefore(last));
      replayer.runTo(recording.exits);
      expect(replayer.exits).toBe(recording.exits);
    }
  });

  it.skipIf(NO_BREAKS)(
    named('is stepped over the place and back, and gone back in to a breakpoint', NO_BREAKS, WITHOUT_BREAKS),
    async () => {
      using recorded = recordGuest('timer-spin');
      const recording = recorded.open();
      using history = new History(recording);
      const [, exits] = interruptions(recording) as [number, number];
      expect(history.seek({ exits, steps: 0 })).toEqual({ exits, steps: 0 });
      const there = look(history);
      expect(history.stepBack()).toBe(true);
      expect(history.position).toMatchObject({ exits: exits - 1 });
      expect(look(history)).not.toBe(there);
      expect(history.step()).toBe(true);
      expect(history.position).toEqual({ exits, steps: 0 });
      expect(look(history)).toBe(there);
      history.seek(history.end);
      const traveler = new Traveler(history);
      const handler = BigInt(guestSymbols(readGuest('timer-spin')).get('on_tick')!.address);
      await traveler.setBreakpoint(handler);
      for (let i = 0; i < 3; i++) {
        expect(await traveler.past.back('run')).toMatchObject({ kind: 'software' });
        expect((await traveler.vcpu()).pc).toBe(handler);
      }
    },
  );

  it('that depends on what is not recorded is not found, and that is said', () => {
    const program = withHandler(
      `${SETS_HANDLER}
  fb                      ; sti
  0f 31                   ; again: rdtsc
  66 a3 04 20             ; mov [0x2004], eax
  ${UNTIL_TWO_TICKS}
  72 f3                   ; jb again
  66 31 c0 66 31 d2       ; xor eax, eax; xor edx, edx
  66 a3 04 20             ; mov [0x2004], eax
  ${ENDS}`,
      COUNTS,
    );
    using recorded = record(machineOfCode(program, CHIPS));
    expect(recorded.end.reason).toBe('exit-port');
    const { notRun, exits } = runAgain(recorded.open());
    expect(notRun.length).toBeGreaterThan(0);
    expect(exits).toBe(recorded.report.exits);
    // A change in what was not run has no instruction.
    using history = new History(recorded.open());
    history.seek({ exits: notRun.at(-1)!.to, steps: 0 });
    const there = history
      .writes({ gpa: 0x2004, length: 4 })
      .filter(({ position }) => notRun.some(({ from }) => from === position.exits));
    expect(there.filter(({ isExact }) => isExact)).toEqual([]);
    expect(there.length).toBeGreaterThan(0);
  });

  it('and takes no interrupts for long is interrupted where it takes them again', () => {
    const program = withHandler(
      `${SETS_HANDLER}
  66 b9 00 00 01 00       ; again: mov ecx, 0x10000
  67 e2 fe                ; loop here, with ecx
  fb                      ; sti
  b9 00 08 e2 fe          ; mov cx, 0x800; loop here
  fa                      ; cli
  ${UNTIL_TWO_TICKS}
  72 e9                   ; jb again
  ${ENDS}`,
      COUNTS,
    );
    using recorded = record(machineOfCode(program, CHIPS));
    expect(recorded.end.reason).toBe('exit-port');
    const recording = recorded.open();
    const places = recording.points.slice(1).flatMap((_, i) => recording.segment(i + 1).interruption?.rip ?? []);
    expect(places.length).toBeGreaterThanOrEqual(2);
    for (const rip of places) {
      expect(rip).toBeGreaterThanOrEqual(0x7c20n);
      expect(rip).toBeLessThanOrEqual(0x7c25n);
    }
    expect(runAgain(recording).exits).toBe(recorded.report.exits);
  });

  it('gets serial input that comes meanwhile', () => {
    const program = withHandler(
      `
  31 c0 8e d8 8e d0       ; xor ax, ax; mov ds, ax; mov ss, ax
  bc 00 70                ; mov sp, 0x7000
  c7 06 30 00 40 7c       ; mov word [0x30], 0x7c40: IRQ 4
  c7 06 32 00 00 00       ; mov word [0x32], 0
  b0 ef e6 21             ; out 0x21, 0xef: all other lines are masked
  ba f9 03 b0 01 ee       ; out 0x3f9, 1: an interrupt for each byte that comes
  ba fc 03 b0 08 ee       ; out 0x3fc, 8: which goes out
  ba f8 03                ; mov dx, 0x3f8
  fb                      ; sti
  f3 90 eb fc             ; again: pause; jmp again`,
      `
  ec                      ; in al, dx
  ${ENDS}`,
    );
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = machineOfCode(program, CHIPS);
    using recorder = new Recorder(machine, store);
    expect(recorder.run({ timeoutMs: scaled(100) })).toMatchObject({ reason: 'timeout' });
    recorder.send(Buffer.from('A'));
    expect(recorder.run({ timeoutMs: scaled(10_000) })).toMatchObject({ reason: 'exit-port', value: 0x41 });
    const { digest, exits } = recorder.finish();
    expect(runAgain(openRecording(store, digest)).exits).toBe(exits);
  });

  it.skipIf(STEPS_USER)(named('has no steps where none is certain', STEPS_USER, 'ring 3 is stepped here'), () => {
    using recorded = recordGuest('preempt-pit');
    const recording = recorded.open();
    using history = new History(recording);
    const [exits] = interruptions(recording) as [number];
    history.seek({ exits, steps: 0 });
    const there = look(history);
    expect(() => history.stepBack()).toThrow(UsageError);
    history.seek({ exits, steps: 0 });
    expect(look(history)).toBe(there);
  });
});
