import { describe, expect, it } from 'vitest';
import { TraceError } from '../../../src/errors.ts';
import { HEAD_BYTES, LINE_BYTES, lineOf, TEXT_LENGTH, writeFrame } from '../../../tools/trace/format.ts';
import { TraceReader } from '../../../tools/trace/reader.ts';
import { HEADER, read, run, written } from './support.ts';

const EVENTS = Array.from({ length: 24 }, (_, i) =>
  i % 9 === 8 ? { at: 1000 + i, who: 'main', text: `says ${i}` } : run(i),
);
const FILE = written((writer) => {
  for (const event of EVENTS) writer.event(event);
});
const frames = (...texts: readonly string[]) => Buffer.concat(texts.map((text) => writeFrame(Buffer.from(text))));
const TEXT = [HEADER, ...EVENTS, { end: {} }].map(lineOf).join('');

describe('a trace', () => {
  it('is read as it was written, in pieces of any length', async () => {
    for (const piece of [1, 7, 4096])
      expect(await read(FILE, piece)).toEqual({ header: HEADER, events: EVENTS, ending: { kind: 'whole' } });
  });

  it('is read as text, too, as zstd -dc prints it', async () => {
    for (const piece of [1, 4096])
      expect(await read(TEXT, piece)).toEqual({ header: HEADER, events: EVENTS, ending: { kind: 'whole' } });
  });

  it('takes bytes of lines cut anywhere, and keeps lines of others out of them', async () => {
    const lines = Buffer.from(EVENTS.map(lineOf).join(''));
    const other = { at: 5000, who: 'main', text: 'between' };
    const bytes = written((writer) => {
      for (let at = 0; at < lines.length; at += 13) {
        writer.add(lines.subarray(at, at + 13));
        if (at % 5 === 0) writer.event(other);
      }
    });
    const { events, ending } = await read(bytes);
    expect(ending).toEqual({ kind: 'whole' });
    expect(events.filter(({ at }) => at !== other.at)).toEqual(EVENTS);
  });

  it('cut at any byte gives a beginning, and says that it is cut', async () => {
    for (const whole of [FILE, Buffer.from(TEXT)]) {
      let most = 0;
      for (let length = 0; length < whole.length; length++) {
        const got = await read(whole.subarray(0, length)).catch((error: Error) => error);
        if (got instanceof Error) {
          expect(got, String(length)).toBeInstanceOf(TraceError);
          expect(most).toBe(0);
          continue;
        }
        expect(got.ending.kind, String(length)).toBe('cut');
        expect(got.events).toEqual(EVENTS.slice(0, got.events.length));
        expect(got.events.length).toBeGreaterThanOrEqual(most);
        most = got.events.length;
      }
      expect(most).toBe(EVENTS.length);
    }
  });

  it('that is damaged is shown up to there: no change of what it says stays unseen', async () => {
    for (let at = 0; at < FILE.length; at++) {
      const bytes = Buffer.from(FILE);
      bytes[at]! ^= 0x10;
      const got = await read(bytes).catch((error: Error) => error);
      if (got instanceof Error) expect(got).toBeInstanceOf(TraceError);
      else {
        expect(got.events).toEqual(EVENTS.slice(0, got.events.length));
        if (got.ending.kind === 'whole') expect(got.events).toHaveLength(EVENTS.length); // a bit that zstd does not use
      }
    }
  });
});

describe('a trace is refused', () => {
  const message = async (bytes: Uint8Array | string) => {
    const error = await read(bytes).catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(TraceError);
    return (error as TraceError).message;
  };

  it('when it is none', async () => {
    for (const bytes of ['', '{', '{}\n', '[1]\n', '{"format":"other"}\n', 'hello', Buffer.alloc(100), frames('{}\n')])
      expect(await message(bytes)).toBe('the file is no trace: vmlapse run --trace-file FILE writes one');
  });

  it('when it is of another version', async () => {
    const later = JSON.stringify({ ...HEADER, version: 2, more: [] });
    expect(await message(`${later}\n`)).toMatch(/of another version: this vmlapse reads version 1/);
    expect(await message(frames(`${later}\n`))).toMatch(/of another version/);
  });

  it('when zstd alone made it, with what helps', async () => {
    expect(await message(writeFrame(Buffer.from(TEXT)).subarray(HEAD_BYTES))).toMatch(
      /zstd -dc FILE \| vmlapse trace -/,
    );
  });
});

describe('a hostile trace', () => {
  const first = lineOf(HEADER);
  const whyOf = async (bytes: Uint8Array | string) => {
    const { ending } = await read(bytes);
    return ending.kind === 'whole' ? ending : `${ending.kind}: ${ending.why}`;
  };

  it('with lines that are no events ends there', async () => {
    const wrong = [
      ...['null', '[]', '3', '{}', 'no JSON', '{"at":1}', ''],
      JSON.stringify({ ...run(1), at: 'soon' }),
      JSON.stringify({ ...run(1), who: 'a b' }),
      JSON.stringify({ ...run(1), name: '<script>' }),
      JSON.stringify({ ...run(1), note: 5 }),
      JSON.stringify({ ...run(1), arg: 'x'.repeat(TEXT_LENGTH + 1) }),
      '{"at":1e999,"who":"main","text":""}',
      ...['null', '[]', '{"leftOut":3}', '{"leftOut":{"events":-1,"ioctls":{},"exits":{}}}'].map(
        (end) => `{"end":${end}}`,
      ),
      '{"end":{"leftOut":{"events":1,"ioctls":{"KVM_RUN":{"calls":"many"}},"exits":{}}}}',
    ].filter((line) => line !== '{"end":[]}');
    for (const line of wrong)
      for (const bytes of [`${first}${line}\n`, frames(first, `${line}\n`)])
        expect(await whyOf(bytes), line).toBe('damaged: a line is neither an event nor the end');
  });

  it('that goes on behind its end is not believed', async () => {
    expect(await whyOf(first + lineOf({ end: {} }) + lineOf(run(1)))).toMatch(/^damaged: there is more behind its end/);
  });

  it('has only the fields of an event', async () => {
    const { events } = await read(`${first}${JSON.stringify({ ...run(1), __proto__x: 1, extra: 'x'.repeat(50) })}\n`);
    expect(events).toEqual([run(1)]);
  });

  it('cannot make the reader hold a line without end, or a frame of gigabytes', async () => {
    let asked = 0;
    async function* endless() {
      yield Buffer.from(first);
      for (;;) {
        asked++;
        yield Buffer.alloc(16_384, 'x');
      }
    }
    const reader = await TraceReader.open(endless(), 'endless');
    for await (const _ of reader.batches());
    expect(reader.ending).toEqual({ kind: 'damaged', why: `a line is longer than ${LINE_BYTES} bytes` });
    expect(asked).toBeLessThan(10);
    for (const at of [12, 16]) {
      const huge = Buffer.concat([frames(first), frames(lineOf(run(1)))]);
      huge.writeUInt32LE(0xffff_ffff, frames(first).length + at);
      expect(await whyOf(huge)).toMatch(/^damaged: there is no frame of at most/);
    }
  });

  it('of random bytes and random changes never does more than say so', async () => {
    let seed = 12_345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const answers = new Set<string>();
    for (let round = 0; round < 1500; round++) {
      const bytes = Buffer.from([FILE, Buffer.from(TEXT)][round % 2]!);
      for (let changes = 1 + random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
      const from = random(3) === 0 ? random(bytes.length) : 0;
      const got = await read(random(2) === 0 ? bytes : Buffer.concat([bytes.subarray(0, from), bytes])).catch(
        (error) => error,
      );
      if (got instanceof Error) expect(got).toBeInstanceOf(TraceError);
      answers.add(got instanceof TraceError ? got.code : got.ending.kind);
    }
    expect([...answers].sort()).toEqual(expect.arrayContaining(['NOT_A_TRACE', 'damaged']));
  });
});
