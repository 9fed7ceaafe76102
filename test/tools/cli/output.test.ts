import { describe, expect, it } from 'vitest';
import type { RunReason, RunResult } from '../../../src/runner/result.ts';
import { columns, toJson } from '../../../tools/cli/output.ts';
import { exitStatus, summaryLines } from '../../../tools/cli/run-end.ts';
import { CapturedOutput, CapturedStream } from '../../../tools/cli/session/captured-output.ts';

const result = (reason: RunReason, more: Partial<RunResult> = {}): RunResult => ({
  reason,
  vcpu: 0,
  exits: {},
  ports: {},
  unclaimed: {},
  assisted: {},
  guestMs: 1.26,
  hostMs: 12.6,
  ...more,
});

describe('exit status', () => {
  it.each<[RunReason, number]>([
    ['halted', 0],
    ['poweroff', 0],
    ['reset', 0],
    ['shutdown', 126],
    ['internal-error', 126],
    ['fail-entry', 126],
    ['unexpected-exit', 126],
    ['timeout', 124],
    ['interrupted', 130],
  ])('%s is %i', (reason, status) => {
    expect(exitStatus(result(reason))).toBe(status);
  });

  it.each([
    [0, 0],
    [1, 1],
    [255, 255],
    [256, 0],
    [0xffff_ffff, 255],
  ])('a guest that writes %i gives %i', (value, status) => {
    expect(exitStatus(result('exit-port', { value }))).toBe(status);
  });

  it('a signal gives its own status only to a run that it stopped', () => {
    expect(exitStatus(result('interrupted'), 'SIGTERM')).toBe(143);
    expect(exitStatus(result('interrupted'), 'SIGHUP')).toBe(129);
    expect(exitStatus(result('exit-port', { value: 3 }), 'SIGTERM')).toBe(3);
  });
});

describe('what is printed', () => {
  it('JSON: bigints as hex strings, bytes as base64, at any depth', () => {
    const document = { a: 0xffff_ffff_ffff_ffffn, b: [{ c: 0n }], d: Uint8Array.of(1, 2, 3), e: undefined };
    expect(JSON.parse(toJson(document))).toEqual({ a: '0xffffffffffffffff', b: [{ c: '0x0' }], d: 'AQID' });
  });

  it('columns are as wide as their widest cell, without blanks at the end', () => {
    expect(columns([])).toBe('');
    expect(columns([['a', 'b'], ['long', ''], ['x']])).toBe('a     b\nlong\nx\n');
  });

  it('the summary names the most frequent exits first, and what was odd', () => {
    const exits = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`E${i}`, i + 1]));
    const lines = summaryLines(
      result('exit-port', { value: 7, exits, unclaimed: { 'port 0x60': 2 }, assisted: { fwait: 3 } }),
    );
    expect(lines).toEqual([
      'vmlapse: the guest exited with 7; 55 exits (E9 10, E8 9, E7 8, E6 7, E5 6, E4 5, E3 4, E2 3, and 2 more), 1.3 ms in the guest, 13 ms in the host',
      'vmlapse: no device answered port 0x60 2',
      'vmlapse: assisted fwait 3',
    ]);
  });

  it('a transcript keeps the first MiB and counts the rest', () => {
    const transcript = new CapturedStream();
    transcript.add(Buffer.from('hello'));
    expect(transcript.summary('output')).toEqual({ output: 'hello', outputDropped: 0 });
    const chunk = new Uint8Array(300_000).fill(0x61);
    for (let i = 0; i < 4; i++) transcript.add(chunk);
    const { output, outputDropped } = transcript.summary('output');
    expect(output.length).toBe(2 ** 20);
    expect(outputDropped).toBe(5 + 1_200_000 - 2 ** 20);
  });

  it('a transcript is UTF-8, and beside it the bytes where they are none', () => {
    const text = new CapturedStream();
    for (const byte of Buffer.from('gr\u00fc\u00df')) text.add(Uint8Array.of(byte));
    expect(text.summary('output')).toEqual({ output: 'gr\u00fc\u00df', outputDropped: 0 });
    const bytes = new CapturedStream();
    bytes.add(Uint8Array.of(0x61, 0xff, 0xfe, 0x80));
    expect(bytes.summary('output')).toEqual({
      output: 'a\ufffd\ufffd\ufffd',
      outputBase64: 'Yf/+gA==',
      outputDropped: 0,
    });
  });

  it('a transcript that is cut within a character is UTF-8 all the same', () => {
    const transcript = new CapturedStream();
    transcript.add(new Uint8Array(2 ** 20 - 1).fill(0x61));
    transcript.add(Buffer.from('\u00fc'));
    const { output, ...rest } = transcript.summary('output');
    expect(output.length).toBe(2 ** 20 - 1);
    expect(rest).toEqual({ outputDropped: 1 });
  });
  it('a transcript has the debug console, if that has printed something', () => {
    const output = new CapturedOutput();
    expect(output.summary()).toEqual({ output: '', outputDropped: 0 });
    output.debugcon.add(Uint8Array.of(0x68, 0xff));
    expect(output.summary()).toMatchObject({
      output: '',
      debugcon: 'h\ufffd',
      debugconBase64: 'aP8=',
      debugconDropped: 0,
    });
  });
});
