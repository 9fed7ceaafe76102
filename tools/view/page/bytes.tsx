/** A page byte by byte, with the symbols beside, and what each changed row was before. */
import { byteText, hex, short } from '../parts/format.ts';
import type { View } from './model.ts';
import { PAGE_SIZE } from './model.ts';
import { Scroll } from './scroll.tsx';
import { symbolAt, symbolsIn } from './symbols.ts';
import { quoted } from './words.ts';

const ROW = 16;

/** Rows that are alike, and say nothing, become one. */
type Line = { readonly from: number } | { readonly zeros: number; readonly at: number };

function linesOf(after: Uint8Array, before: Uint8Array | undefined): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < PAGE_SIZE; from += ROW) {
    const isZero = (bytes: Uint8Array | undefined) =>
      !bytes || bytes.subarray(from, from + ROW).every((byte) => byte === 0);
    const last = lines.at(-1);
    if (!isZero(after) || !isZero(before)) lines.push({ from });
    else if (last && 'zeros' in last) lines[lines.length - 1] = { ...last, zeros: last.zeros + ROW };
    else lines.push({ zeros: ROW, at: from });
  }
  return lines;
}

export function PageBytes({ model, now, base, cell }: View & { readonly cell: number }) {
  const gpa = model.cells[cell]!;
  const after = model.page(now, cell);
  const before = base === undefined ? undefined : model.page(base, cell);
  if (!model.isUnpacked) return <p class="quiet">The bytes are being unpacked.</p>;
  if (!after)
    return (
      <p class="quiet">
        The bytes of this page at this moment are not in the file, to keep it small. <code>vmlapse diff</code> and{' '}
        <code>vmlapse export</code> have them.
      </p>
    );
  const symbols = model.symbols(now);
  const writers = base === model.at(now).parent ? (model.at(now).changes?.writers ?? []) : [];
  const writer = (from: number) =>
    writers.find(([, at, length]) => at < gpa + from + ROW && at + length > gpa + from)?.[3] ?? '';
  const names = (from: number) => {
    const inRow = symbolsIn(symbols, gpa + from, gpa + from + ROW).map(([, , name]) => name);
    const over = from === 0 && inRow.length === 0 ? symbolAt(symbols, gpa) : undefined;
    return over ? `${over[2]}+${hex(gpa - over[0])}` : inRow.join(' ');
  };
  return (
    <>
      <Blame {...{ model, now, base, gpa, after, before }} />
      <Scroll class="bytes" label={`bytes of page ${hex(gpa)}`}>
        <table>
          <thead class="hidden">
            <tr>
              <th scope="col">address</th>
              <th scope="col">bytes</th>
              <th scope="col">characters</th>
              <th scope="col">symbol</th>
            </tr>
          </thead>
          <tbody>
            {linesOf(after, before).map((line) =>
              'zeros' in line ? (
                <tr key={`z${line.at}`} class="quiet">
                  <td>{hex(gpa + line.at)}</td>
                  <td colSpan={3}>
                    {line.zeros === PAGE_SIZE ? 'the page is zero' : `${byteText(line.zeros)} of zeros`}
                  </td>
                </tr>
              ) : (
                <Row
                  key={line.from}
                  {...{ gpa, from: line.from, after, before, name: names(line.from), writer: writer(line.from) }}
                />
              ),
            )}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}

type BlameProps = View & { gpa: number; after: Uint8Array; before: Uint8Array | undefined };

/** The command that says who wrote the first byte that differs: of a recording, and where a symbol names the byte. */
function Blame({ model, now, base, gpa, after, before }: BlameProps) {
  const { recorded, parent, digest } = model.at(now);
  if (!recorded || !before || base !== parent) return null;
  const at = gpa + after.findIndex((byte, i) => byte !== before[i]);
  const symbol = at < gpa ? undefined : symbolAt(model.symbols(now), at);
  if (!symbol) return null;
  const what = `${symbol[2]}${at > symbol[0] ? `+${hex(at - symbol[0])}` : ''}:1`;
  return (
    <p class="blame">
      <span class="quiet">who wrote {hex(at)}: </span>
      <code class="command">{`vmlapse blame --store ${quoted(model.timeline.store)} ${short(digest)} ${quoted(what)}`}</code>
    </p>
  );
}

interface RowProps {
  readonly gpa: number;
  readonly from: number;
  readonly after: Uint8Array;
  readonly before: Uint8Array | undefined;
  readonly name: string;
  /** Who wrote something in it last; empty where that is not known. */
  readonly writer: string;
}

function Row({ gpa, from, after, before, name, writer }: RowProps) {
  const now = after.subarray(from, from + ROW);
  const old = before?.subarray(from, from + ROW);
  const differs = old !== undefined && now.some((byte, i) => byte !== old[i]);
  return (
    <>
      <tr>
        <td class="quiet">{hex(gpa + from)}</td>
        <td>
          <Bytes bytes={now} other={old} class="after" />
        </td>
        <td class="characters">{text(now)}</td>
        <td class="tag">
          <bdi>{name}</bdi>
        </td>
      </tr>
      {differs && (
        <tr class="old">
          <td class="quiet">was</td>
          <td>
            <Bytes bytes={old} other={now} class="before" />
          </td>
          <td class="characters quiet">{text(old)}</td>
          <td class="quiet">
            <bdi>{writer === '' ? '' : `written ${writer}`}</bdi>
          </td>
        </tr>
      )}
    </>
  );
}

const text = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');

/** Bytes as runs that look alike: few elements, as there are 4,096 of them. */
function Bytes({ bytes, other, class: marked }: { bytes: Uint8Array; other: Uint8Array | undefined; class: string }) {
  const runs: { text: string; differs: boolean }[] = [];
  for (const [i, byte] of bytes.entries()) {
    const differs = other !== undefined && other[i] !== byte;
    const shown = `${byte.toString(16).padStart(2, '0')}${i === 7 ? '  ' : ' '}`;
    const last = runs.at(-1);
    if (last?.differs === differs) last.text += shown;
    else runs.push({ text: shown, differs });
  }
  return (
    <>
      {runs.map((run, i) =>
        run.differs ? (
          <b key={i} class={marked}>
            {run.text}
          </b>
        ) : (
          <span key={i} class="quiet">
            {run.text}
          </span>
        ),
      )}
    </>
  );
}
