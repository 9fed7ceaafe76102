/** The halves in which `.ci/run` takes the longest files, one on a day and the other on the next; nobody else leaves any out. */

/** The day, as a number; undefined: all files are taken. */
export const TODAY = process.env.TEST_TURN;

/** Those of `files` whose turn it is, and those that are left out; every second one, so files of like length belong side by side. */
export function byTurn(files: readonly string[], day: string | undefined): { taken: string[]; left: string[] } {
  if (day === undefined) return { taken: [...files], left: [] };
  const isTaken = (index: number) => index % 2 === Number(day) % 2;
  return { taken: files.filter((_, index) => isTaken(index)), left: files.filter((_, index) => !isTaken(index)) };
}
