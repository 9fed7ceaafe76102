/** `vmlapse learn`: the exercises. What it does is in tools/learn; this prints. */
import { relative, resolve } from 'node:path';
import { Option } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import {
  begin,
  checkIn,
  currentOf,
  hintOf,
  list,
  nextOf,
  type Report,
  report,
  reset,
  solutionFor,
} from '../../learn/actions.ts';
import { type Checked, isTold, LIMIT_MS } from '../../learn/check.ts';
import { COURSE, exerciseOf, lessonOf, messagesOf } from '../../learn/course.ts';
import { DEFAULT_FOLDER, folderNeeded, folderThatIs, folderToBegin } from '../../learn/folder.ts';
import { filled, LANGUAGES, type Language, languageOf, MESSAGES } from '../../learn/language.ts';
import { type CommandRow, JSON_OPTION } from '../command.ts';
import { columns, print } from '../output.ts';
import { parseDuration } from '../parse.ts';
import { type EndSignal, EXIT, SIGNAL_STATUS } from '../run-end.ts';
import { printable } from '../store/format.ts';

interface Options {
  readonly dir?: string;
  readonly ts?: boolean;
  readonly lang?: Language;
  readonly timeout?: number;
  readonly recording?: boolean;
  readonly json?: boolean;
}

/** One call of the command: its words after the action, its options, its texts. */
interface Asked {
  readonly words: readonly string[];
  readonly options: Options;
  readonly language: Language;
  readonly say: (key: keyof (typeof MESSAGES)['en']['texts'], values?: Record<string, string | number>) => string;
}

/** How many lines of the program's output are shown with a problem. */
const OUTPUT_LINES = 12;

/** By its name: how many words it takes, and what it does. */
const ACTIONS: Readonly<Record<string, { readonly words: number; run(asked: Asked): void | Promise<void> }>> = {
  list: { words: 0, run: showList },
  start: { words: 2, run: start },
  check: { words: 1, run: runCheck },
  hint: { words: 1, run: showHint },
  solution: { words: 1, run: showSolution },
  reset: { words: 1, run: runReset },
  report: { words: 1000, run: showReport },
};

/** Names of the actions, for completion. */
export const LEARN_ACTIONS: readonly string[] = Object.keys(ACTIONS);

export const LEARN: CommandRow = {
  name: 'learn',
  about: 'exercises on the KVM API that are checked on the real KVM',
  arguments: {
    '[action]': `what to do: ${LEARN_ACTIONS.join(', ')}; default: list`,
    '[words...]': 'number or name of the exercise; for start also the folder, for report folders',
  },
  options: [
    ['--dir <dir>', 'the folder of the exercises; default: this one, one above, or ./vmlapse-learn'],
    ['--ts', 'start: a program in TypeScript'],
    new Option('--lang <language>', 'language of tasks and messages; default: by LANG').choices(Object.keys(LANGUAGES)),
    ['--timeout <time>', 'check, report: how long a program may take; default: 10s', parseDuration],
    ['--recording', 'check, report: on what KVM answered elsewhere, also where there is /dev/kvm'],
    JSON_OPTION,
  ],
  help: `Without an action it lists the exercises. check ends with status 0 if the exercise has passed, and with 1 if not.
Where there is no /dev/kvm, the exercises of lessons 1 to 5 are checked on recordings, and that is said.

Examples:
  vmlapse learn
  vmlapse learn start 1
  vmlapse learn check
  vmlapse learn hint 1
  vmlapse learn report --json class/*`,
  async run(action = 'list', words: readonly string[] = [], options: Options = {}) {
    const row = ACTIONS[action];
    if (!row) throw new UsageError(`there is no vmlapse learn ${action}: give ${LEARN_ACTIONS.join(', ')}`);
    if (words.length > row.words) throw new UsageError(`vmlapse learn ${action} takes no ${words.at(-1)}`);
    const language = options.lang ?? languageOf(process.env);
    const say: Asked['say'] = (key, values = {}) => filled(MESSAGES[language].texts[key], values);
    await row.run({ words, options, language, say });
  },
};

/** One document with --json, lines without. */
const answer = (options: Options, data: unknown, ...lines: readonly string[]): void =>
  print(options, data, () => lines.map((line) => `${line}\n`).join(''));

const MARKS = { done: '[x]', begun: '[~]', open: '[ ]' } as const;

function showList({ options, language, say }: Asked): void {
  const folder = folderThatIs(options.dir);
  const rows = list(folder, language);
  const done = rows.filter(({ state }) => state === 'done').length;
  const begun = folder !== undefined;
  const head = begun ? `${say('folder', { folder })} (${say('of', { done, count: rows.length })})` : say('noFolder');
  const table = columns(
    rows.map(({ number, state, title, on }) => [
      ...[String(number).padStart(2), MARKS[state]],
      on ? `${title} (${say('onRecordingShort')})` : title,
    ]),
  );
  answer(options, rows, head, table.trimEnd(), begun ? nextLine(rows, say) : say('begin', { number: 1 }));
}

function nextLine(rows: ReturnType<typeof list>, say: Asked['say']): string {
  const next = nextOf(rows);
  return next ? say('next', { number: next.number, title: next.title }) : say('allDone');
}

function start({ words: [word = '1', given], options, language, say }: Asked): void {
  const exercise = exerciseOf(word);
  const folder = folderToBegin(given ?? options.dir);
  const { file, text, found, kept } = begin(exercise, folder, options.ts ? 'ts' : 'js', language);
  const { number, slug } = exercise;
  const { title } = messagesOf(exercise, language);
  const lesson = lessonOf(exercise, language);
  const here = relative(process.cwd(), folder);
  const then = say('thenCheck', {
    number: here === '' || here === DEFAULT_FOLDER ? number : `${number} --dir ${folder}`,
  });
  answer(
    options,
    { number, slug, folder, file, text, found, kept },
    say('started', { number, title, text, file, lesson }),
    ...(found ? [say('found', { file })] : []),
    ...keptLine(kept, say),
    then,
  );
}

const named = ({ words: [word], options }: Asked) => {
  const folder = folderNeeded(options.dir);
  return { folder, exercise: word === undefined ? currentOf(folder) : exerciseOf(word) };
};

const limits = ({ options, language }: Asked) => ({
  ...{ language, limitMs: options.timeout ?? LIMIT_MS, recording: options.recording },
});

/** Does something that Ctrl-C and SIGTERM end: undefined then, with the exit status for it. */
async function untilSignal<T>(action: (abort: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const controller = new AbortController();
  const end = (signal: EndSignal) => {
    process.exitCode = SIGNAL_STATUS[signal];
    controller.abort();
  };
  const signals = Object.keys(SIGNAL_STATUS) as EndSignal[];
  for (const signal of signals) process.once(signal, end);
  try {
    return await action(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) return undefined;
    throw error;
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
}

async function runCheck(asked: Asked): Promise<void> {
  const { options, language, say } = asked;
  const { folder, exercise } = named(asked);
  const checked = await untilSignal((abort) => checkIn(exercise, folder, { ...limits(asked), abort }));
  if (!checked) return;
  if (!checked.passed) process.exitCode = EXIT.FAILURE;
  const { title } = messagesOf(exercise, language);
  const head = say(checked.passed ? 'passed' : isTold(checked) ? 'failed' : 'untold', {
    number: exercise.number,
    title,
  });
  const rest = checked.passed ? [nextLine(list(folder, language), say)] : problemLines(checked, say);
  answer(options, checked, `${head} (${checked.ms} ms)`, ...recordingLine(checked, say), ...rest);
}

function recordingLine({ recording }: Checked, say: Asked['say']): string[] {
  if (!recording) return [];
  const { kvm, linux, made, why } = recording;
  return [
    say('onRecording', { kvm, linux, made: made.slice(0, 10) }),
    ...(why === undefined ? [] : [say('noKvm', { why: printable(why) })]),
  ];
}

function problemLines({ problem, stdout, on }: Checked, say: Asked['say']): string[] {
  const parts = (['problem', 'where', 'hint'] as const).map((key) => say(key, { text: printable(problem![key]) }));
  if (on === undefined) return parts; // it has not run
  const lines = stdout.trimEnd().split('\n');
  const shown = lines.slice(0, OUTPUT_LINES).map((line) => `  ${printable(line.slice(0, 200))}`);
  const output = stdout.trim() === '' ? [say('nothingPrinted')] : [say('output'), ...shown];
  return [...parts, ...output, ...(lines.length > OUTPUT_LINES ? ['  …'] : [])];
}

function showHint(asked: Asked): void {
  const { language, say, options } = asked;
  const { folder, exercise } = named(asked);
  const hint = hintOf(exercise, folder, language);
  answer(options, hint, say('hints', hint), ...(hint.n < hint.count ? [say('moreHints')] : []));
}

function showSolution({ words: [word], options }: Asked): void {
  const folder = folderThatIs(options.dir);
  const exercise = word === undefined ? currentOf(folderNeeded(options.dir)) : exerciseOf(word);
  process.stdout.write(solutionFor(exercise, folder));
}

function runReset(asked: Asked): void {
  const { options, say } = asked;
  const { folder, exercise } = named(asked);
  const { file, kept } = reset(exercise, folder);
  answer(options, { file, kept }, say('reset', { file }), ...keptLine(kept, say));
}

const keptLine = (kept: string | undefined, say: Asked['say']): string[] =>
  kept === undefined ? [] : [say('kept', { kept })];

async function showReport(asked: Asked): Promise<void> {
  const { words, options, say } = asked;
  const folders = words.length > 0 ? words.map((word) => resolve(word)) : [folderNeeded(options.dir)];
  const reports: Report[] = [];
  for (const folder of folders) {
    const made = await untilSignal((abort) => report(folder, { ...limits(asked), abort }));
    if (!made) return;
    reports.push(made);
  }
  print(options, reports, () => columns(reports.map((row) => reportRow(row, say))));
}

const reportRow = ({ folder, passed, exercises, problem }: Report, say: Asked['say']): string[] => {
  const name = printable(folder);
  if (problem !== undefined) return [name, printable(problem)];
  const failed = exercises.filter(({ key }) => key !== undefined).map(({ number, key }) => `${number} (${key})`);
  const recorded = exercises.some(({ on }) => on === 'recording') ? [say('onRecordingShort')] : [];
  return [name, say('of', { done: passed, count: COURSE.length }), [...recorded, ...failed].join(', ')];
};
