import { expect, it } from 'vitest';
import type { MemoryRange } from '../../debug/blame/writes.ts';
import { History } from '../../debug/history.ts';
import { type Position, positionText } from '../../debug/recording/position.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { UsageError } from '../../src/errors.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { SLOW_HOST } from '../support/time.ts';
import { withHandler } from './interrupted-code.ts';
import { machineOfCode, type Recorded, record, recordGuest } from './support.ts';

/** Writes 0x2000 up and down in a loop, 0x2004 once, the same value to 0x2008, and by REP INSB to 0x2010. */
const WRITER = `
  b9 04 00              ; mov cx, 4
  fe 06 00 20           ; again: inc byte [0x2000]
  fe 0e 00 20           ; dec byte [0x2000]
  e6 80                 ; out 0x80, al
  fe 06 00 20           ; inc byte [0x2000]
  c6 06 08 20 00        ; mov byte [0x2008], 0
  e6 80                 ; out 0x80, al
  e2 eb                 ; loop again
  c7 06 04 20 34 12     ; mov word [0x2004], 0x1234
  bf 10 20              ; mov di, 0x2010
  ba 80 00              ; mov dx, 0x80
  b9 03 00              ; mov cx, 3
  f3 6c                 ; rep insb
  e6 f4                 ; out 0xf4, al`;

/** A software interrupt whose handler, at 0x7c40, writes and makes no exit. */
const HANDLER_WRITES = withHandler(
  `
  bc 00 70              ; mov sp, 0x7000
  c7 06 00 01 40 7c     ; mov word [0x100], 0x7c40: the handler of vector 0x40
  c7 06 02 01 00 00     ; mov word [0x102], 0
  e6 80                 ; out 0x80, al
  cd 40                 ; int 0x40
  e6 f4                 ; out 0xf4, al`,
  `
  c7 06 00 20 34 12     ; mov word [0x2000], 0x1234
  cf                    ; iret`,
);

/** Each run has another value at 0x2000. */
const KEEPS_TIME = `
  e6 80                 ; out 0x80, al
  0f 31                 ; rdtsc
  66 a3 00 20           ; mov [0x2000], eax
  66 31 c0              ; xor eax, eax
  66 31 d2              ; xor edx, edx
  e6 f4                 ; out 0xf4, al`;

/** Steps through all of it, and compares after each step. */
function naive(recorded: Recorded, { gpa, length }: MemoryRange): string[] {
  using history = new History(recorded.open());
  const read = () => Buffer.from(history.machine.memory.read(gpa, length)).toString('hex');
  const found: string[] = [];
  let value = read();
  let { position } = history;
  while (history.step()) {
    const now = read();
    if (now !== value) found.unshift(`${positionText(position)} ${value} ${now}`);
    value = now;
    position = history.position;
  }
  return found;
}

const blamed = (history: History, range: MemoryRange) =>
  history
    .writes(range)
    .map(
      (write) =>
        `${positionText(write.position)} ${Buffer.from(write.old).toString('hex')} ${Buffer.from(write.new).toString('hex')}`,
    );

describeKvm('blame', () => {
  it('finds what a step through the whole run finds', () => {
    using recorded = record(machineOfCode(WRITER), { everyMs: 1 });
    using history = new History(recorded.open());
    history.seek(history.end);
    const ranges = [
      { gpa: 0x1fff, length: 32 },
      { gpa: 0x2000, length: 1 },
      { gpa: 0x2004, length: 2 },
      { gpa: 0x2008, length: 1 },
      { gpa: 0x2010, length: 3 },
    ];
    for (const range of SLOW_HOST ? ranges.slice(0, 1) : ranges) {
      const expected = naive(recorded, range);
      expect(blamed(history, range), JSON.stringify(range)).toEqual(expected);
      const last = history.lastWrite(range);
      expect(last && positionText(last.position)).toBe(expected[0]?.split(' ')[0]);
    }
    expect(history.position).toEqual(history.end);
  });

  it.skipIf(SLOW_HOST)('and in a shipped guest, in its stack', () => {
    using recorded = recordGuest('panic', { everyMs: 5 });
    using history = new History(recorded.open());
    history.seek(history.end);
    const stack = history.replayer.local.vcpu.getRegs().rsp;
    const range = { gpa: Number(stack) - 8, length: 8 };
    const expected = naive(recorded, range);
    expect(expected.length).toBeGreaterThan(2);
    expect(blamed(history, range)).toEqual(expected);
  });

  it('tells the instruction, its registers, the values; and only what came before', () => {
    using recorded = record(machineOfCode(WRITER));
    using history = new History(recorded.open());
    history.seek(history.end);
    const range = { gpa: 0x2004, length: 2 };
    const write = history.lastWrite(range)!;
    expect(write).toMatchObject({ by: 'vcpu', isExact: true, rip: 0x7c1an, bits: 16 });
    expect([...write.old, ...write.new]).toEqual([0, 0, 0x34, 0x12]);
    expect([...write.code!.subarray(0, 6)]).toEqual([0xc7, 0x06, 0x04, 0x20, 0x34, 0x12]);
    expect(write.regs!.rcx).toBe(0n);
    history.seek(write.position);
    expect(history.lastWrite(range)).toBeUndefined();
    expect(history.machine.memory.readUint(0x2004, 2)).toBe(0n);
    history.step();
    expect(history.machine.memory.readUint(0x2004, 2)).toBe(0x1234n);
  });

  it('names the host where the BIOS has read a sector', () => {
    using recorded = recordGuest('boot-loader');
    using history = new History(recorded.open());
    history.seek(history.end);
    const place = { gpa: 0x7e00, length: 16 };
    const write = history.lastWrite(place);
    expect(write).toMatchObject({ by: 'host', device: 'BIOS', isExact: true });
    expect((write!.position as Position).steps).toBe(0);
    // At the very exit that was served the sector is in memory, and at the exit before it is not.
    history.seek(write!.position);
    expect(history.machine.memory.read(place.gpa, place.length)).toEqual(write!.new);
    expect(history.lastWrite(place)).toEqual(write);
    history.seek({ exits: write!.position.exits - 1, steps: 0 });
    expect(history.lastWrite(place)).toBeUndefined();
  });

  it('names no instruction exactly for what a handler did in its step', () => {
    using recorded = record(machineOfCode(HANDLER_WRITES));
    using history = new History(recorded.open());
    history.seek(history.end);
    const write = history.lastWrite({ gpa: 0x2000, length: 2 })!;
    expect(write).toMatchObject({ by: 'vcpu', new: Uint8Array.of(0x34, 0x12) });
    if (write.isExact) expect(write.rip).toBe(0x7c40n);
    else expect(write.rip).toBeUndefined();
  });

  it('that fails leaves the history where it stood', () => {
    using recorded = record(machineOfCode(KEEPS_TIME), { everyMs: 600_000 });
    using history = new History(recorded.open());
    history.seek({ exits: 1, steps: 0 });
    expect(() => history.lastWrite({ gpa: 0x2000, length: 4 })).toThrow(ReplayDivergence);
    expect(history.position).toEqual({ exits: 1, steps: 0 });
    history.seek(history.end);
    const recordedThen = history.machine.memory.read(0x2000, 4).slice();
    for (let again = 0; again < 2; again++) {
      expect(() => history.lastWrite({ gpa: 0x2000, length: 4 })).toThrow(ReplayDivergence);
      expect(history.machine.memory.read(0x2000, 4)).toEqual(recordedThen);
    }
  });

  it.skipIf(!isPvm)('says between which exits where this host cannot step', () => {
    using recorded = recordGuest('compute-ring3');
    using history = new History(recorded.open());
    history.seek(history.end);
    const write = history.lastWrite({
      gpa: guestSymbols(readGuest('compute-ring3')).get('words')!.address,
      length: 64,
    })!;
    expect(write).toMatchObject({ by: 'vcpu', isExact: false });
    expect(write.rip).toBeUndefined();
  });

  it('refuses what is no memory', () => {
    using recorded = recordGuest('hello-long');
    using history = new History(recorded.open());
    expect(() => history.lastWrite({ gpa: 2 ** 40, length: 8 })).toThrow(UsageError);
  });
});
