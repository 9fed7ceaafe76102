/** What a benchmark reports, and how that is printed. */
import { styleText } from 'node:util';

/** What a ratio must satisfy for the project to be content. */
export interface Bar {
  readonly at: 'least' | 'most';
  readonly ratio: number;
}

/** One comparison: medians of both sides in `unit`, and ours / floor. A part of a whole has no floor of its own. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly floor: number | null;
  readonly unit: string;
  readonly bar?: Bar;
  /** What the floor is, and anything a reader should know. */
  readonly note?: string;
}

/** A row of `--json`. */
export interface JsonRow {
  readonly name: string;
  readonly ours: number;
  readonly floor: number | null;
  readonly ratio: number | null;
  readonly unit: string;
  readonly kvm: string;
}

const round = (value: number, digits: number) => Number(value.toPrecision(digits));

/** ours / floor, or null where there is no floor. */
export const ratioOf = (result: Result): number | null => (result.floor === null ? null : result.ours / result.floor);

/** Whether a result meets its bar; undefined when it has none. */
export function meetsBar(result: Result): boolean | undefined {
  const ratio = ratioOf(result);
  if (!result.bar || ratio === null) return undefined;
  return result.bar.at === 'least' ? ratio >= result.bar.ratio : ratio <= result.bar.ratio;
}

/** A result as `--json` prints it: six significant digits, the ratio four. */
export function toJsonRow(result: Result, kvm: string): JsonRow {
  const ratio = ratioOf(result);
  return {
    name: result.name,
    ours: round(result.ours, 6),
    floor: result.floor === null ? null : round(result.floor, 6),
    ratio: ratio === null ? null : round(ratio, 4),
    unit: result.unit,
    kvm,
  };
}

const number = (value: number) => {
  const text = Math.abs(value) >= 1000 ? Math.round(value).toString() : round(value, 3).toString();
  return text.replace(/\B(?=(\d{3})+(?!\d))(?<!\..*)/g, ',');
};

/** A result as one line for people. `colour` marks a bar met or missed. */
export function toLine(result: Result, colour: boolean): string {
  const ratio = ratioOf(result);
  const columns = [
    result.name.padEnd(34),
    number(result.ours).padStart(11),
    (result.floor === null ? '' : number(result.floor)).padStart(11),
    ratio === null ? ''.padStart(9) : `${ratio.toFixed(2)}x`.padStart(9),
    `  ${result.unit.padEnd(9)}`,
  ];
  const met = meetsBar(result);
  if (met !== undefined && result.bar) {
    const verdict = `${met ? 'ok' : 'MISSED'}, at ${result.bar.at} ${result.bar.ratio}x`;
    columns.push(colour ? styleText(met ? 'green' : 'red', verdict) : verdict);
  }
  if (result.note) columns.push(`  ${result.note}`);
  return columns.join('').trimEnd();
}

/** The heading over {@link toLine}. */
export const HEADING = `${'benchmark'.padEnd(34)}${'ours'.padStart(11)}${'floor'.padStart(11)}${'ratio'.padStart(9)}  unit`;
