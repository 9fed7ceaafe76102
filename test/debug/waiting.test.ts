/** Guests that wait in HLT on machines with chips in user space: what wakes them, what does not, and by which clock. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Recorder } from '../../debug/recording/recorder.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import type { Recording } from '../../debug/replay/recording.ts';
import { Replayer } from '../../debug/replay/replayer.ts';
import { guestNamed } from '../../guests/list.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { type LocalOptions, runHere } from '../../src/runner/local-machine.ts';
import { diskMachine } from '../snapshot/disk-guest.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { machineOfCode, record, recordableMachine, replayed, WAITS } from './support.ts';

/** Sets the handler of the timer's interrupt, which is at 0x7c14, and waits. */
const WAITS_FOR_TICK = `
  31 c0                   ; xor ax, ax
  8e d8                   ; mov ds, ax
  c7 06 20 00 14 7c       ; mov word [0x20], 0x7c14
  c7 06 22 00 00 00       ; mov word [0x22], 0
  fb f4                   ; sti, hlt
  eb fe`;
const HALTS_IN_HANDLER = `${WAITS_FOR_TICK}
  fb f4                   ; sti, hlt, without an end of the interrupt
  cf                      ; iret`;
const ENDS_IN_HANDLER = `${WAITS_FOR_TICK}
  e6 f4                   ; out 0xf4, al`;
const MASKS_ALL = `
  b0 ff e6 21             ; out 0x21, 0xff
  fb f4                   ; sti, hlt
  eb fe`;

const CHIPS = { userChips: true };

/** Runs timer-pit by a clock, for so long; how it ends, and how often it ticked. */
function ticksBy(now: NonNullable<LocalOptions['now']>, timeoutMs: number) {
  using machine = recordableMachine(guestNamed('timer-pit'));
  let said = '';
  const output = (_: string, bytes: Uint8Array) => {
    said += Buffer.from(bytes).toString('latin1');
  };
  const { reason } = runHere(machine, { output, now, timeoutMs });
  return { reason, ticks: said.match(/tick \d/g)?.length ?? 0 };
}

/** The log of a guest that waits: its exit (2 bytes), a tick or two, and what that brings. */
const TICK = { at: 2, tag: 0x44, bytes: 9 };

/** The recording as if its ticks in the first HLT were not in the log. */
const withoutTicks = (recording: Recording): Recording =>
  Object.create(recording, {
    segment: {
      value(index: number) {
        const { log, ...head } = recording.segment(index);
        let end = TICK.at;
        while (log[end] === TICK.tag) end += TICK.bytes;
        expect(end).toBeGreaterThan(TICK.at);
        return { ...head, log: Buffer.concat([log.subarray(0, TICK.at), log.subarray(end)]) };
      },
    },
  }) as Recording;

describeKvm('a guest in HLT', () => {
  it('is woken by its disk, also in a replay', () => {
    using folder = temporaryDirectory();
    const path = join(folder.path, 'disk.img');
    writeFileSync(path, new Uint8Array(64 * 512));
    const { machine } = diskMachine(path, { name: 'disk-log-irq', irqchip: false, ...CHIPS });
    using recorded = record(machine);
    expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(recorded.said).toBe('disk-log: 64 sectors, 0 files\ndisk-log: full\n');
    expect(replayed(recorded.open())).toEqual({ said: recorded.said, exits: recorded.report.exits });
  });

  it.each([
    ['in the handler of the timer, before its end', HALTS_IN_HANDLER],
    ['with all interrupts masked', MASKS_ALL],
  ])('%s is not woken by the timer', (_, code) => {
    using machine = machineOfCode(code, CHIPS);
    expect(runHere(machine, { timeoutMs: scaled(2000) }).reason).toBe('halted');
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using again = machineOfCode(code, CHIPS);
    using recorder = new Recorder(again, store);
    expect(recorder.run({ timeoutMs: scaled(2000) })).toBe(WAITS);
    expect(recorder.finish().logBytes).toBeLessThan(100);
  });

  it('has its ticks by the clock that is given', () => {
    const stands = Date.now();
    expect(ticksBy(() => stands, 300)).toEqual({ reason: 'timeout', ticks: 0 });
  });

  it('has its ticks also where the clock is set back', () => {
    let looks = 0;
    const now = () => Date.now() - (looks++ > 60 ? 3_600_000 : 0);
    expect(ticksBy(now, scaled(5000))).toEqual({ reason: 'exit-port', ticks: 10 });
  });

  it('that waits where the recorded one went on is a divergence', () => {
    using recorded = record(machineOfCode(ENDS_IN_HANDLER, CHIPS), { everyMs: 60_000 });
    expect(recorded.end.reason).toBe('exit-port');
    using replayer = new Replayer(withoutTicks(recorded.open()));
    expect(() => replayer.runTo(recorded.report.exits)).toThrow(ReplayDivergence);
    expect(() => replayer.runTo(recorded.report.exits)).toThrow(/the guest waits in HLT, recorded is interrupt 0x8/);
  });
});
