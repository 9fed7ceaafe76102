/** The timeline as the page in the browser asks for it: what a moment's memory holds, however one goes through the moments. */
import { expect, it } from 'vitest';
import { Model, NOT_HERE, ZERO } from '../../../tools/view/page/model.ts';
import type { Moment, Timeline } from '../../../tools/view/timeline-types.ts';

const [CELLS, MOMENTS] = [32_768, 1000];

/** Each moment changes the cell of its number, whose bytes are here for every third, and clears the one before. */
function moment(index: number): Moment {
  const facts = { digest: `sha256:${index}`, lane: 0, tags: [], time: '', pages: 2, bytes: 0 };
  const changed = index === 0 ? [0, CELLS] : [index - 1, 2];
  const memory = {
    changed,
    zero: index === 0 ? [] : [index - 1, 1],
    versions: index % 3 === 0 ? [index, index + 1] : [],
  };
  return { ...facts, memory, ...(index > 0 && { parent: index - 1 }) };
}

const timeline: Timeline = {
  ...{ store: 'lab', left: [], sections: [], fields: [], screens: [], screenRows: [], guests: [] },
  ...{ cells: [0, CELLS], versions: MOMENTS, moments: Array.from({ length: MOMENTS }, (_, i) => moment(i)) },
};

it('is the same in any order, and keeps a bounded number of moments decoded', () => {
  const model = new Model(timeline, new Uint8Array(0));
  const back = Array.from({ length: MOMENTS }, (_, i) => MOMENTS - 1 - i);
  for (const index of [...back, 500, 31, 32, 33, 0, 999, 998]) {
    const [contents, often] = [model.contents(index), model.often(index)];
    expect(contents[index]).toBe(index % 3 === 0 ? index + 1 : NOT_HERE);
    expect(contents[MOMENTS]).toBe(NOT_HERE);
    if (index > 0) expect([contents[index - 1], contents[0]]).toEqual([ZERO, ZERO]);
    expect([often[index], often[Math.max(0, index - 1)], often[MOMENTS]]).toEqual([
      index > 0 ? 1 : 0,
      index > 1 ? 2 : index,
      0,
    ]);
  }
  expect(model.kept).toBeLessThan(MOMENTS / 4);
});
