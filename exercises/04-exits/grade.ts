import { type Exercise, hex, type Observation } from '../exercise.ts';

/** Port and data of each OUT. */
const outs = ({ runs }: Observation) => runs.flatMap(({ io }) => (io?.out ? [io] : []));
const lines = ({ stdout }: Observation) => stdout.split('\n').filter((line) => /^OUT\b/.test(line));

export const EXITS: Exercise = {
  slug: 'exits',
  lesson: '04-exits',
  checks: {
    silent: (seen) => lines(seen).length > 0,
    lines: (seen) => lines(seen).length === outs(seen).length || { lines: lines(seen).length, outs: outs(seen).length },
    port: (seen) => {
      const i = outs(seen).findIndex(({ port }, n) => lines(seen)[n]?.split(' ')[1] !== hex(port));
      return i < 0 || { n: i + 1, line: lines(seen)[i] ?? '-', port: hex(outs(seen)[i]!.port) };
    },
    data: (seen) => {
      const i = outs(seen).findIndex(({ data }, n) => lines(seen)[n]?.split(' ').slice(2).join(' ') !== data);
      return (
        i < 0 || {
          n: i + 1,
          line: lines(seen)[i] ?? '-',
          size: outs(seen)[i]!.data.length / 2,
          data: outs(seen)[i]!.data,
        }
      );
    },
    halted: ({ runs }) => runs.at(-1)?.exit === 'HLT',
  },
};
