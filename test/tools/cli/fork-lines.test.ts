import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../tools/cli/session/forks.ts';

describe('the lines of a fork', () => {
  it('stay in order where the next come before the first have left', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const printed: string[] = [];
    const lines = new LineSplitter((some) => {
      printed.push(...some);
      return gate;
    });
    const first = lines.add(Buffer.from('a\nb\r\nc'));
    const second = lines.add(Buffer.from('\r\nd\n'));
    open();
    await Promise.all([first, second]);
    expect(printed).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are cut where they are too long, behind those before', () => {
    const printed: string[] = [];
    const lines = new LineSplitter((some) => void printed.push(...some));
    const long = 'x'.repeat(5000);
    lines.add(Buffer.from(`a\n${long}`));
    lines.add(Buffer.from('y'));
    lines.end();
    expect(printed).toEqual(['a', long, 'y']);
  });
});
