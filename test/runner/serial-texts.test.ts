import { describe, expect, it } from 'vitest';
import { TextSearch } from '../../src/runner/stop-points.ts';
import { createRing, OutputRing } from '../../src/runner/threads/output.ts';

const text = (words: string) => ({ text: words, bytes: Buffer.from(words) });

/** What is found after each piece that is sent. */
function found(texts: readonly string[], pieces: readonly (string | Uint8Array)[]) {
  const search = new TextSearch(texts.map(text));
  const ring = new OutputRing(createRing(), { search });
  return pieces.map((piece) => {
    ring.write(Buffer.from(piece as string));
    return search.take();
  });
}

describe('a text on the serial line', () => {
  it('is found with its last byte, however it was cut', () => {
    expect(found(['ready'], ['r', 'e', 'a', 'd', 'y', '!'])).toEqual([[], [], [], [], ['ready'], []]);
    expect(found(['ready'], ['not rea', 'dy yet'])).toEqual([[], ['ready']]);
    expect(found(['aab'], ['aaa', 'b'])).toEqual([[], ['aab']]);
  });

  it('is bytes: a character may come in pieces', () => {
    const [first, second] = [...Buffer.from('\u00fc')];
    expect(found(['gr\u00fc'], ['gr', Uint8Array.of(first!), Uint8Array.of(second!)])).toEqual([[], [], ['gr\u00fc']]);
  });

  it('is found once; several may come at once', () => {
    expect(found(['a', 'ba'], ['ba', 'ba'])).toEqual([['a', 'ba'], []]);
  });

  it('of NUL bytes is not found before any were sent', () => {
    const search = new TextSearch([{ text: 'nul', bytes: new Uint8Array(3) }]);
    const ring = new OutputRing(createRing(), { search });
    ring.write(Uint8Array.of(0, 0));
    expect(search.take()).toEqual([]);
    ring.write(Uint8Array.of(0));
    expect(search.take()).toEqual(['nul']);
  });

  it('is found where several writers sent it, and where the ring begins anew', () => {
    const buffer = createRing();
    const search = new TextSearch([text('together')]);
    const [one, two] = [new OutputRing(buffer), new OutputRing(buffer, { search })];
    one.write(new Uint8Array(65_536 - 4));
    one.take();
    one.write(Buffer.from('toge'));
    two.write(Buffer.from('ther'));
    expect(search.take()).toEqual(['together']);
  });
});
