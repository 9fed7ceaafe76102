/** `vmlapse screen` and `vmlapse type`: the text screen of a guest, and keys for its keyboard. */
import { setTimeout as sleep } from 'node:timers/promises';
import { writeSparse } from '../../../snapshot/export/sparse-file.ts';
import { CheckpointError, ControlError, UsageError, type VmlapseError } from '../../../src/errors.ts';
import type { ControlClient } from '../../control/client.ts';
import { connectTo } from '../../control/machines.ts';
import { pressKey, typeText } from '../../screen/keys.ts';
import { screenOfCheckpoint } from '../../screen/of-machine.ts';
import { unpackScreen } from '../../screen/packed.ts';
import { screenAnsi, screenData, screenText } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';
import { type CommandRow, JSON_OPTION } from '../command.ts';
import { printLine, toJson } from '../output.ts';
import { collect, parseOutputFile } from '../parse.ts';
import { followScreen } from '../screen/follow.ts';
import { defaultStore, openToRead, type StoreCommandOptions } from '../store/options.ts';
import { showsUnicode } from '../terminal-text.ts';
import { NAME_ARGUMENT, PATIENCE_MS, withMachine } from './machine.ts';

interface ScreenOptions extends Partial<StoreCommandOptions> {
  readonly ansi?: boolean;
  readonly follow?: boolean;
  readonly png?: string;
}

const SCREEN: CommandRow = {
  name: 'screen',
  about: 'print the text screen (VGA) of a running machine, or of a checkpoint',
  arguments: { '<what>': 'name of a running machine; otherwise a checkpoint: tag, digest, latest' },
  options: [
    ['--store <dir>', `of a checkpoint in this store, also where a machine has its name (else: "${defaultStore()}")`],
    JSON_OPTION,
    ['--ansi', 'with its colours'],
    ['--png <file>', 'write it as a picture', parseOutputFile],
    ['-f, --follow', 'of a machine: print it again whenever it changes; on a terminal, draw it'],
  ],
  help: `Examples:
  vmlapse screen kitchen
  vmlapse screen kitchen --follow
  vmlapse screen --store lab latest --ansi
  vmlapse screen kitchen --png kitchen.png
  vmlapse screen latest --json | jq -r '.lines[0]'

Text ends with the last line that has any. JSON has every row, with an attribute of two hexadecimal digits for each
character. With --follow and --json, each screen is one line; without a terminal, a form feed is between two. It ends
when the machine does, or when its reader has gone, such as head.`,
  run: showScreen,
};

const FORMS = ['json', 'ansi', 'png'] as const;

async function showScreen(what: string, options: ScreenOptions): Promise<void> {
  const forms = FORMS.filter((form) => options[form] !== undefined);
  if (forms.length > 1) throw new UsageError(`--${forms.join(' and --')} are two forms: leave one of them out`);
  if (options.png !== undefined && options.follow) throw new UsageError('--follow goes on, and --png is one picture');
  const { store } = options;
  if (store !== undefined && options.follow)
    throw new UsageError('--follow is for a machine, and --store for a checkpoint: leave one of them out');
  if (store !== undefined) return showCheckpoint(what, { ...options, store });
  const client = await machineNamed(what);
  if (client instanceof ControlError || client instanceof UsageError)
    return showCheckpoint(what, { ...options, store: defaultStore() }, client);
  try {
    const look = async () => received(client, await client.call('screen', {}, PATIENCE_MS));
    if (options.follow) await followScreen(client, look, (screen) => rendered(screen, options, 0), options);
    else await printScreen(await look(), options);
  } finally {
    client.close();
  }
}

/** The machine of that name, or why there is none. */
async function machineNamed(name: string): Promise<ControlClient | ControlError | UsageError> {
  try {
    return await connectTo(name);
  } catch (error) {
    const isNone = error instanceof ControlError && (error.code === 'NO_MACHINE' || error.code === 'STALE');
    if (isNone || error instanceof UsageError) return error;
    throw error;
  }
}

/** Without `noMachine`, nobody has looked for a machine of that name. */
async function showCheckpoint(
  ref: string,
  options: ScreenOptions & StoreCommandOptions,
  noMachine?: VmlapseError,
): Promise<void> {
  if (noMachine && options.follow) throw noMachine;
  const orNeither = <T>(find: () => T) => (noMachine instanceof ControlError ? foundOrNeither(ref, find) : find());
  using store = orNeither(() => openToRead(options));
  const digest = orNeither(() => store.resolve(ref));
  using checkpoint = store.open(digest);
  await printScreen(screenOfCheckpoint(checkpoint), options);
}

/** What `find` finds. Where that says that there is no such thing, the error says that there is no machine either. */
function foundOrNeither<T>(name: string, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof CheckpointError && ['NOT_A_STORE', 'NOT_FOUND'].includes(error.code))) throw error;
    throw new CheckpointError(
      'NOT_FOUND',
      `${name} is no machine that runs under a name, and no checkpoint: ${error.message}`,
    );
  }
}

function received({ name }: ControlClient, packed: Parameters<typeof unpackScreen>[0]): Screen {
  try {
    return unpackScreen(packed);
  } catch (error) {
    throw new ControlError(
      'BAD_ANSWER',
      `machine ${name} sent something that is no screen: ${(error as Error).message}`,
    );
  }
}

function rendered(screen: Screen, { json, ansi }: ScreenOptions, indent = 2): string {
  const text = { ascii: !showsUnicode() };
  if (json) return `${toJson(screenData(screen), indent)}\n`;
  return ansi ? screenAnsi(screen, text) : screenText(screen, text);
}

async function printScreen(screen: Screen, options: ScreenOptions): Promise<void> {
  if (options.png === undefined) process.stdout.write(rendered(screen, options));
  else await writePng(options.png, screen);
  if (screen.graphics && !options.json)
    printLine('vmlapse: the guest has set a graphics mode; this is what is in the memory of text mode');
}

/** Only this form needs the encoder, so only it loads it. */
async function writePng(path: string, screen: Screen): Promise<void> {
  const { screenPng } = await import('../../screen/png.ts');
  writeSparse(path, 0, (file) => file.write(0, screenPng(screen)));
}

interface TypeOptions {
  readonly key?: readonly string[];
}

const TYPE: CommandRow = {
  name: 'type',
  about: "type on a running machine's keyboard",
  arguments: { ...NAME_ARGUMENT, '[text]': 'what to type; \\n is Enter, also \\r, \\t, \\b, \\e, \\\\ and \\xNN' },
  options: [['--key <key>', 'then press this key: f2, ctrl-c, ctrl-alt-delete; may be repeated', collect]],
  help: `Examples:
  vmlapse type kitchen 'ls\\n'
  vmlapse type kitchen --key ctrl-alt-delete
  vmlapse type kitchen reboot --key enter

These are keys of a US keyboard (PS/2), not bytes on the serial port: those are sent by vmlapse console. The command ends
when the keyboard has taken all keys; the guest may read them later.`,
  run: (name: string, text: string | undefined, options: TypeOptions) => type(name, text ?? '', options),
};

async function type(name: string, text: string, { key = [] }: TypeOptions): Promise<void> {
  const codes = Buffer.concat([typeText(unescaped(text)), ...key.map(pressKey)]);
  if (codes.length === 0) throw new UsageError('nothing to type: give a text, or --key KEY');
  await withMachine(name, (client) => pressAll(client, codes));
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', b: '\b', e: '\x1b', r: '\r', '\\': '\\' };

/** Throws UsageError for an escape that does not exist. */
function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.|$)/gs, (whole, letter: string) => {
    if (letter.length === 3) return String.fromCharCode(Number.parseInt(letter.slice(1), 16));
    const character = ESCAPES[letter];
    if (character === undefined)
      throw new UsageError(`${whole} is no escape: there are \\n, \\r, \\t, \\b, \\e, \\\\ and \\xNN`);
    return character;
  });
}

const RETRY_MS = 10;

/** Sends all codes. Throws ControlError when the guest takes no key for some seconds, or is paused and has no room. */
async function pressAll(client: ControlClient, codes: Buffer): Promise<void> {
  let rest = codes;
  for (let since = performance.now(); rest.length > 0; ) {
    const { taken } = await client.call('press', { codes: rest.toString('latin1') }, PATIENCE_MS);
    if (taken > rest.length)
      throw new ControlError('BAD_ANSWER', `machine ${client.name} says that it took ${taken} of ${rest.length} codes`);
    rest = rest.subarray(taken);
    if (taken > 0) since = performance.now();
    else if ((await client.call('status', {}, PATIENCE_MS)).state === 'paused') throw pausedAndFull(client.name);
    else if (performance.now() - since > PATIENCE_MS)
      throw new ControlError('SILENT', `the guest of ${client.name} does not read its keyboard: its queue is full`);
    else await sleep(RETRY_MS);
  }
}

const pausedAndFull = (name: string) =>
  new ControlError(
    'PAUSED',
    `${name} is paused and its keyboard's queue is full; it goes on with: vmlapse resume ${name}`,
  );

/** See the file's header. */
export const SCREEN_COMMANDS: readonly CommandRow[] = [SCREEN, TYPE];
