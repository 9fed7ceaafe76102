/** `.ci/run` takes a third of the longest files on a day, so that it ends in thirty minutes; nobody else leaves any out. */

const TURNS = 3;

/** The day, as a number; undefined: all files are taken. */
export const TODAY = process.env.TEST_TURN;

/** Those of `files` whose turn it is, and those that are left out; every third one, so files of like length belong side by side. */
export function byTurn(files: readonly string[], day: string | undefined): { taken: string[]; left: string[] } {
  if (day === undefined) return { taken: [...files], left: [] };
  const isTaken = (index: number) => index % TURNS === Number(day) % TURNS;
  return { taken: files.filter((_, index) => isTaken(index)), left: files.filter((_, index) => !isTaken(index)) };
}
