/**
 * A program with a gap. One text holds the solution and the beginning: between the two marks are the lines of the solution,
 * and, after `//-`, those that the beginning has in their place.
 */
const BEGIN = /^\s*\/\/ ▼ /;
const END = /^\s*\/\/ ▲ /;
const PLACEHOLDER = /^(\s*)\/\/- ?/;

interface Parts {
  readonly before: readonly string[];
  readonly gap: readonly string[];
  readonly after: readonly string[];
}

/** Cuts at the marks, which stay with what is around. Throws RangeError for a text without exactly one gap. */
function partsOf(text: string): Parts {
  const lines = text.split('\n');
  const [begin, end] = [lines.findIndex((line) => BEGIN.test(line)), lines.findIndex((line) => END.test(line))];
  const marks = lines.filter((line) => BEGIN.test(line) || END.test(line)).length;
  if (begin < 0 || end < begin || marks !== 2) throw new RangeError('a program has one gap, from a line ▼ to a line ▲');
  // The comment that begins with ▼ may go on over more lines.
  const body = lines.findIndex((line, i) => i > begin && !/^\s*\/\/ /.test(line));
  return { before: lines.slice(0, body), gap: lines.slice(body, end), after: lines.slice(end) };
}

const joined = ({ before, after }: Parts, gap: readonly string[]) => [...before, ...gap, ...after].join('\n');

/** What the learner begins with. */
export function startOf(text: string): string {
  const parts = partsOf(text);
  const placeholders = parts.gap
    .filter((line) => PLACEHOLDER.test(line))
    .map((line) => line.replace(PLACEHOLDER, '$1'));
  return joined(parts, placeholders);
}

/** The program as it works. */
export function solutionOf(text: string): string {
  const parts = partsOf(text);
  return joined(
    parts,
    parts.gap.filter((line) => !PLACEHOLDER.test(line)),
  );
}
