/** `vmlapse view`: the checkpoints of a store as a page to look at. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeSparse } from '../../../snapshot/export/sparse-file.ts';
import { UsageError } from '../../../src/errors.ts';
import { Blamer } from '../../view/blame.ts';
import type { SymbolsOf } from '../../view/names.ts';
import { Reader } from '../../view/reader.ts';
import { renderPage } from '../../view/render.ts';
import { Replays } from '../../view/replays.ts';
import { StepFinder } from '../../view/steps.ts';
import { timelineOf } from '../../view/timeline.ts';
import type { CommandRow } from '../command.ts';
import { print, printLine } from '../output.ts';
import { countUpTo, parseDuration, parseOutputFile } from '../parse.ts';
import { viewMachine } from '../session/live-view.ts';
import { byteText, counted } from '../store/format.ts';
import { openToRead, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';
import { findSymbols } from '../symbols.ts';

interface ViewOptions extends StoreCommandOptions {
  readonly html?: string;
  readonly listen?: string;
  readonly symbols?: string;
  readonly limit: number;
  readonly blame?: number | true;
  readonly steps?: number | true;
}

/** For `--blame` and `--steps` without a time. Milliseconds. */
const DEFAULT_TIME = 60_000;
const DEFAULT_FILE = 'vmlapse-view.html';
const DEFAULT_LIMIT = 200;
const MOST_MOMENTS = 2000;

export const VIEW: CommandRow = {
  name: 'view',
  about: 'show checkpoints on a timeline, with all that each moment holds: as a page, or following a running machine',
  arguments: { '[name]': 'name of a running machine: the page is served, grows, and drives it' },
  options: [
    ...STORE_OPTIONS,
    ['--html <file>', `the page that is written; default: ${DEFAULT_FILE}`, parseOutputFile],
    ['--listen <addr>', 'with a name: PORT or HOST:PORT of this host; default: any free port'],
    ['--symbols <file>', 'the ELF file whose symbols name addresses'],
    [
      '--limit <n>',
      'checkpoints in the page, the newest',
      countUpTo(MOST_MOMENTS, 'the page would be too large'),
      DEFAULT_LIMIT,
    ],
    [
      '--blame [time]',
      'of a recording: who wrote what each moment changed, as far as it is found in this time; default: 60s',
      parseDuration,
    ],
    [
      '--steps [time]',
      'of a recording: one step back and forward from each moment, as far as they are found in this time; default: 60s',
      parseDuration,
    ],
  ],
  help: `Examples:
  vmlapse view --store lab
  vmlapse view --store lab --html lab.html && xdg-open lab.html
  vmlapse view --store lab --symbols vmlinux --limit 50
  vmlapse view --store lab --blame 30s
  vmlapse view --store lab --steps
  vmlapse view kitchen

The page is one file below 3 MB that needs no network and no server. What it leaves out, it says.
With a name, the command prints the URL of the page and serves it until Ctrl-C. Whoever has that URL can pause, resume,
step, checkpoint and roll back the machine; it is for this host only, and its token is another each time.
With --json: {file, bytes, checkpoints, left}; left has what is left out, a sentence each. With a name: {url}.`,
  run: view,
};

async function view(name: string | undefined, options: ViewOptions): Promise<void> {
  if (name === undefined) return writeFile(options);
  for (const option of ['blame', 'steps'] as const)
    if (options[option] !== undefined)
      throw new UsageError(`--${option} is about a recording, and a machine with a name has none: leave it out`);
  if (options.html !== undefined)
    throw new UsageError('a machine has a page that is served: leave --html out, or the name');
  const { limit, listen } = options;
  const served = { limit, symbolsOf: symbolsOf(options), ...(listen !== undefined && { listen }) };
  await viewMachine(name, served, (url) => print(options, { url }, () => `${url}\n`));
}

const symbolsOf =
  ({ symbols }: ViewOptions): SymbolsOf =>
  (description) =>
    findSymbols(symbols, description);

const timeOf = (time: number | true) => (time === true ? DEFAULT_TIME : time);

function writeFile(options: ViewOptions): void {
  if (options.listen !== undefined)
    throw new UsageError('--listen is for the page of a running machine: give its name');
  using store = openToRead(options);
  using replays = new Replays(store);
  const { blame, steps } = options;
  const blamer = blame === undefined ? undefined : new Blamer(replays, timeOf(blame));
  const stepper = steps === undefined ? undefined : new StepFinder(replays, timeOf(steps));
  const wanted = { name: options.store, symbolsOf: symbolsOf(options), limit: options.limit };
  const replayed = { ...(blamer && { blamer }), ...(stepper && { stepper }) };
  const page = timelineOf(store, wanted, new Reader(store, wanted.symbolsOf, replayed));
  for (const problem of new Set([...(stepper?.problems ?? []), ...(replays.problem ? [replays.problem] : [])]))
    printLine(`vmlapse: the page lacks what only a replay can find: ${problem}`);
  const bytes = Buffer.from(renderPage(page));
  const file = resolve(options.html ?? DEFAULT_FILE);
  writeSparse(file, 0, (out) => out.write(0, bytes));
  const { moments, left } = page.timeline;
  const data = { file, bytes: bytes.length, checkpoints: moments.length, left };
  const out = left.length > 0 ? '; the page says what is left out' : '';
  print(
    options,
    data,
    () =>
      `${counted(moments.length, 'checkpoint')}, ${byteText(bytes.length)}${out}\nopen it in a browser: ${pathToFileURL(file).href}\n`,
  );
}
