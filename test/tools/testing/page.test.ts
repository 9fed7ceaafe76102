/** The page on testing guests shows the suites that are run. */
import { describe, expect, it } from 'vitest';
import { blockOf, textOf } from '../../docs/pages.ts';

const FOLDER = 'docs/testing-guests';

describe('the page on testing guests', () => {
  const page = textOf(`${FOLDER}/README.md`);

  it.each(['console', 'memory', 'screen', 'faults', 'blame'])('shows %s.test.ts as it is', (name) => {
    expect(blockOf(page, 'ts', `[${name}.test.ts]`)).toBe(textOf(`${FOLDER}/${name}.test.ts`).trimEnd());
  });

  it('names every option, matcher and part of a guest', async () => {
    const { guestMatchers } = await import('../../../tools/testing/matchers.ts');
    const { Guest } = await import('../../../tools/testing/guest.ts');
    const forSources = new Set(['constructor', 'printed', 'continueFrom']);
    const parts = Object.getOwnPropertyNames(Guest.prototype).filter((name) => !forSources.has(name));
    const missing = [...parts.map((name) => `guest.${name}`), ...Object.keys(guestMatchers)].filter(
      (name) => !page.includes(name),
    );
    expect(missing).toEqual([]);
  });
});
