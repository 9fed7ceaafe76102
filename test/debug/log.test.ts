import { describe, expect, it } from 'vitest';
import { type LogEntry, LogReader, LogWriter } from '../../debug/recording/log.ts';
import { comparePositions, parsePosition, positionText } from '../../debug/recording/position.ts';
import { decodeSegment, encodeSegment } from '../../debug/recording/segment.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { CheckpointError } from '../../src/errors.ts';
import { fakeArea } from './fake-area.ts';

const ENTRIES: readonly LogEntry[] = [
  { kind: 'exit', reason: 2, isWrite: true, address: 0x3f8, width: 1, data: Uint8Array.of(0x41) },
  { kind: 'time', ms: 1_700_000_000_000.5 },
  { kind: 'exit', reason: 2, isWrite: false, address: 0x71, width: 4, data: Uint8Array.of(1, 2, 3, 4) },
  { kind: 'exit', reason: 2, isWrite: false, address: 0x510, width: 2, data: new Uint8Array(300).fill(7) },
  { kind: 'input', to: 'serial', bytes: Uint8Array.of(1, 2, 3) },
  { kind: 'interrupt', vector: 0x24 },
  { kind: 'exit', reason: 6, isWrite: false, address: 0xfee0_0020, width: 4, data: Uint8Array.of(9, 9, 9, 9) },
  { kind: 'exit', reason: 5 },
];

function written(entries: readonly LogEntry[]): Uint8Array {
  const log = new LogWriter();
  for (const entry of entries) {
    if (entry.kind === 'exit') log.exit(fakeArea(entry));
    else if (entry.kind === 'time') log.time(entry.ms);
    else if (entry.kind === 'input') log.input(entry.to, entry.bytes);
    else if (entry.kind === 'interrupt') log.interrupt(entry.vector);
    else log.passed(entry.ms);
  }
  return log.bytes.slice();
}

function read(bytes: Uint8Array): LogEntry[] {
  const reader = new LogReader(bytes, 'a test');
  const found: LogEntry[] = [];
  for (let entry = reader.take(); entry; entry = reader.take()) found.push(entry);
  return found;
}

describe('the log of a recording', () => {
  it('is read as it was written', () => {
    expect(read(written(ENTRIES))).toEqual(ENTRIES);
  });

  it('grows, and is empty again', () => {
    const many = Array.from({ length: 3000 }, (_, i) => ENTRIES[i % ENTRIES.length]!);
    expect(read(written(many))).toEqual(many);
    const log = new LogWriter();
    log.interrupt(3);
    log.clear();
    expect(log.length).toBe(0);
  });

  it('adds up the time that passed, and does not show it as an entry', () => {
    const bytes = written([{ kind: 'passed', ms: 5 }, ENTRIES[0]!, { kind: 'passed', ms: 300 }]);
    const reader = new LogReader(bytes, 'a test');
    expect([reader.take(), reader.passedMs]).toEqual([ENTRIES[0], 5]);
    expect([reader.take(), reader.passedMs]).toEqual([undefined, 305]);
  });

  it('that was cut off anywhere, or is of other bytes, is refused or is another log, and nothing else', () => {
    const whole = written(ENTRIES);
    for (let length = 0; length < whole.length; length++) {
      for (const bytes of [whole.subarray(0, length), whole.map((byte, i) => (i === length ? byte ^ 0xff : byte))]) {
        try {
          expect(read(bytes)).not.toEqual(ENTRIES);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
          expect(error).toMatchObject({ code: 'CORRUPT' });
        }
      }
    }
  });
});

describe('a segment', () => {
  const segment = { version: 1, from: 3, to: 9, ms: 70, open: false, written: [16, 2], log: written(ENTRIES) } as const;

  it('is read as it was written', () => {
    expect(decodeSegment(encodeSegment(segment), 'x')).toEqual(segment);
  });

  it('that ends at an interruption is read as it was written, and is of a version that older readers refuse', () => {
    const interruption = KvmRegs.alloc();
    Object.assign(interruption, { rip: 0xffff_8000_0010_0000n, rax: 5n, rflags: 0x202n });
    const interrupted = { ...segment, version: 2, interruption } as const;
    const read = decodeSegment(encodeSegment(interrupted), 'x');
    expect(bytesOf(read.interruption!)).toEqual(bytesOf(interruption));
    expect(read).toMatchObject({ version: 2, from: 3, to: 9 });
    const { version, ...rest } = interrupted;
    for (const wrong of [{ version, from: 9 }, { version: 3 }])
      expect(() => decodeSegment(encodeSegment({ ...rest, ...(wrong as { version: 2 }) }), 'x')).toThrow(
        CheckpointError,
      );
  });

  it('that is damaged is refused', () => {
    const bytes = encodeSegment(segment);
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice();
      damaged[i]! ^= 0x40;
      expect(() => decodeSegment(damaged, 'x'), `byte ${i}`).toThrow(CheckpointError);
      expect(() => decodeSegment(bytes.subarray(0, i), 'x'), `cut at ${i}`).toThrow(CheckpointError);
    }
  });

  it('with a head that makes no sense is refused', () => {
    for (const wrong of [{ to: 2 }, { written: [1] }, { written: [-1, 1] }, { version: 2 }, { from: 0.5 }])
      expect(() => decodeSegment(encodeSegment({ ...segment, ...(wrong as object) }), 'x')).toThrow(
        /^the recording of x /,
      );
  });
});

describe('a position', () => {
  it('is written and read', () => {
    for (const position of [
      { exits: 0, steps: 0 },
      { exits: 112, steps: 0 },
      { exits: 112, steps: 40 },
    ])
      expect(parsePosition(positionText(position))).toEqual(position);
    expect(['', 'latest', '1+', '+1', '1.5', '-1', '0x10', '1+2+3'].map(parsePosition)).toEqual(
      Array(8).fill(undefined),
    );
  });

  it('comes before another', () => {
    expect(comparePositions({ exits: 1, steps: 9 }, { exits: 2, steps: 0 })).toBeLessThan(0);
    expect(comparePositions({ exits: 2, steps: 1 }, { exits: 2, steps: 0 })).toBeGreaterThan(0);
  });
});
