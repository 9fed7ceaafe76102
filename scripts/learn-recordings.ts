/**
 * `npm run lessons`, a part: records the exercises of lessons 1 to 5 on this host's KVM, for those who have none. A recording is
 * only written anew when something else happens in it than before: remove it where a usual mistake is new.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filledWith, sourceOf } from '../test/tools/learn/learner.ts';
import { WRONG } from '../test/tools/learn/wrong.ts';
import { COURSE, type Numbered, programOf } from '../tools/learn/course.ts';
import { prepare } from '../tools/learn/folder.ts';
import { recordingPath } from '../tools/learn/recording/file.ts';
import {
  type RecordedAnswer,
  type RecordedRun,
  type Recording,
  readRecording,
  type SlotFacts,
  textOf,
} from '../tools/learn/recording/format.ts';
import { headerFor } from '../tools/trace/header.ts';
import type { Take } from './learn-recorder.ts';
import { NEAR, ORDER, type RecorderOrder, RIGHT } from './learn-takes.ts';

const RECORDER = new URL('./learn-recorder.js', import.meta.url).href;
const LIMIT_MS = 60_000;
const MOST_TRIES = 5;

type Wish = readonly [...SlotFacts, result: number];

/** The exercises that are recorded. */
export const RECORDED: readonly Numbered[] = COURSE.filter(({ slug }) => Object.hasOwn(RIGHT, slug));

/** The programs: right answers first. */
function programsOf(exercise: Numbered): { readonly program: string; readonly right: boolean }[] {
  const { slug } = exercise;
  const filled = (gaps: readonly string[]) => gaps.map((gap) => filledWith(sourceOf(exercise), gap));
  const wrong = filled([...Object.values(WRONG[slug] ?? {}), ...(NEAR[slug] ?? [])]);
  return [
    ...[programOf(exercise, 'solution'), ...filled(RIGHT[slug]!)].map((program) => ({ program, right: true })),
    ...[programOf(exercise, 'start'), ...wrong].map((program) => ({ program, right: false })),
  ];
}

/** Runs a program and records it; `known` are the runs of those before. Right answers come first. */
function take(folder: string, program: string, right: boolean, known: readonly RecordedRun[]): Take {
  const [file, runs, out] = ['program.js', 'runs.json', 'take.json'].map((name) => join(folder, name)) as [
    ...[string, string, string],
  ];
  writeFileSync(file, program);
  writeFileSync(runs, JSON.stringify(known));
  const fd = openSync(out, 'w');
  const { stderr } = spawnSync(process.execPath, ['--import', RECORDER, file], {
    ...{ cwd: folder, encoding: 'utf8', timeout: LIMIT_MS, stdio: ['ignore', 'ignore', 'pipe', fd] },
    env: { ...process.env, [ORDER]: JSON.stringify({ runs, right } satisfies RecorderOrder) },
  });
  closeSync(fd);
  const text = readFileSync(out, 'utf8');
  if (text === '' || stderr.includes('another outcome'))
    throw new Error(`a program was not recorded: ${stderr}\n${program}`);
  return JSON.parse(text) as Take;
}

/** Records an exercise; all of its programs, or the solution alone. What an interrupt of the host has spoiled is tried again. */
export function record(exercise: Numbered, all = true): Recording {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-takes-'));
  try {
    prepare(folder);
    const takes: Take[] = [];
    for (const { program, right } of programsOf(exercise).slice(0, all ? undefined : 1)) {
      const known = takes.at(-1)?.runs ?? [];
      takes.push(tried(() => take(folder, program, right, known)));
    }
    return merged(takes);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function tried<T>(action: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return action();
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
    }
  }
}

/** Puts takes together. Throws when two of them got different answers to the same call. */
function merged(takes: readonly Take[]): Recording {
  const answers = new Map<string, RecordedAnswer>();
  const slots = new Map<string, { slots: readonly SlotFacts[]; wishes: Map<string, Wish> }>();
  for (const one of takes) {
    for (const answer of one.answers) put(answers, answer.key, answer);
    for (const { slots: there, wish } of one.slots) {
      const group = slots.get(String(there)) ?? { slots: there, wishes: new Map() };
      slots.set(String(there), group);
      put(group.wishes, String(wish.slice(0, -1)), wish);
    }
  }
  const { made, kvm, linux } = headerFor('');
  const { reset, area } = takes.find((one) => one.reset) ?? {};
  return {
    origin: { made, kvm, linux },
    reset: { regs: [], sregs: [], ...reset, area: area ?? [] },
    answers: [...answers.values()],
    slots: [...slots.values()].map(({ slots: there, wishes }) => ({ slots: there, wishes: [...wishes.values()] })),
    runs: takes.at(-1)!.runs,
  };
}

function put<V>(map: Map<string, V>, key: string, value: V): void {
  const there = map.get(key);
  if (there && JSON.stringify(there) !== JSON.stringify(value))
    throw new Error(`two answers to ${key}: ${JSON.stringify(there)} and ${JSON.stringify(value)}`);
  map.set(key, value);
}

/**
 * What happens in a recording, without where it was made, and without registers: an interrupt of the host may end a run somewhat
 * earlier. Of the runs, those of right answers: how often a mistake goes round a loop may depend on that, too.
 */
export const happenings = ({ answers, slots, runs }: Recording): string => {
  const right = runs.filter((run) => run.right);
  return JSON.stringify({ answers, slots, right }, (key, value) => (key === 'regs' ? undefined : value), 1);
};

function refresh(exercise: Numbered): void {
  const path = recordingPath(exercise);
  const fresh = record(exercise);
  if (existsSync(path) && happenings(readRecording(path)) === happenings(fresh)) return;
  writeFileSync(path, textOf(fresh));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (existsSync('/dev/kvm')) RECORDED.forEach(refresh);
  else console.error('no /dev/kvm: the recordings of the exercises stay as they are');
}
