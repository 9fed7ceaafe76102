import { describe, expect, it } from 'vitest';
import { type GraphNode, graphRows } from '../../../tools/view/parts/graph.ts';

/** Draws commits given as "child parent" (no parent: a root; "?": the parent is missing), newest first. */
function draw(...commits: string[]): string[] {
  const nodes = commits.map((text): GraphNode => {
    const [digest = '', parent] = text.split(' ');
    if (parent === undefined) return { digest };
    return parent === '?' ? { digest, parent, parentMissing: true } : { digest, parent };
  });
  return graphRows(nodes).flatMap(({ node, after }, i) => [node.replace('*', nodes[i]!.digest), ...after]);
}

describe('the tree beside the log', () => {
  it('a line of checkpoints', () => {
    expect(draw('c b', 'b a', 'a')).toEqual(['c', 'b', 'a']);
  });

  it('a branch joins at its parent', () => {
    expect(draw('d a', 'c b', 'b a', 'a')).toEqual(['d', '| c', '| b', '|/', 'a']);
  });

  it('three children of one parent', () => {
    expect(draw('d a', 'c a', 'b a', 'a')).toEqual(['d', '| c', '|/', '| b', '|/', 'a']);
  });

  it('a branch that joins over another one', () => {
    expect(draw('e a', 'd b', 'c a', 'b a', 'a')).toEqual(['e', '| d', '| | c', '|_|/', '| b', '|/', 'a']);
  });

  it('unrelated roots, and one whose parent is gone, leave their lane free', () => {
    expect(draw('c a', 'b ?', 'x', 'a')).toEqual(['c', '| b', '| x', 'a']);
  });
});
