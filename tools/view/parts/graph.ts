/** The lines beside a history, as `git log --graph` draws them: children above their parents, a lane for each branch. */

/** A commit as the graph sees it. */
export interface GraphNode {
  readonly digest: string;
  readonly parent?: string;
  /** The parent is not in the list: its line ends. */
  readonly parentMissing?: true;
}

/** What stands beside one commit: the line with its star, and lines that follow where lanes meet. */
export interface GraphRow {
  readonly node: string;
  readonly after: readonly string[];
}

/** Draws the lanes for commits in order, newest first, no parent before its child. */
export function graphRows(nodes: readonly GraphNode[]): GraphRow[] {
  /** The digest that each lane leads down to. */
  let lanes: (string | undefined)[] = [];
  return nodes.map(({ digest, parent, parentMissing }) => {
    let own = lanes.indexOf(digest);
    if (own < 0) {
      own = lanes.indexOf(undefined) < 0 ? lanes.length : lanes.indexOf(undefined);
      lanes[own] = digest;
    }
    const node = draw(lanes, (lane) => (lane === own ? '*' : '|'));
    lanes[own] = parentMissing ? undefined : parent;
    const other = parent === undefined ? -1 : lanes.findIndex((to, lane) => to === parent && lane !== own);
    if (other < 0) {
      lanes = trimmed(lanes);
      return { node, after: [] };
    }
    const [left, right] = [Math.min(own, other), Math.max(own, other)];
    const after = [joinLine(lanes, left, right)];
    lanes[right] = undefined;
    lanes = trimmed(lanes);
    return { node, after };
  });
}

function draw(lanes: readonly (string | undefined)[], mark: (lane: number) => string): string {
  return lanes.map((to, lane) => (to === undefined ? ' ' : mark(lane))).join(' ');
}

/** The lane at `right` bends to `left`: "|/" for neighbours, "|_|/" over others. */
function joinLine(lanes: readonly (string | undefined)[], left: number, right: number): string {
  const cells = [...draw(lanes, () => '|').padEnd(right * 2 + 1)];
  cells[right * 2] = ' ';
  cells[right * 2 - 1] = '/';
  for (let at = left * 2 + 1; at < right * 2 - 1; at += 2) cells[at] = '_';
  return cells.join('').trimEnd();
}

function trimmed(lanes: readonly (string | undefined)[]): (string | undefined)[] {
  const used = lanes.findLastIndex((to) => to !== undefined) + 1;
  return lanes.slice(0, used);
}
