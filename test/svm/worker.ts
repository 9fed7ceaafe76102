/**
 * Runs compiled test files, one after the other, in this process, and sends what became of each to the parent. The
 * parent starts another process with the rest of the files if this one dies.
 */
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type File, startTests, type Task, type VitestRunner } from '@vitest/runner';
import { scaled } from '../support/time.ts';
import { SKIPPED } from './excluded.ts';

/** What became of one test file. */
export interface FileReport {
  readonly file: string;
  readonly passed: number;
  readonly skipped: readonly string[];
  readonly failed: readonly { readonly name: string; readonly message: string }[];
  readonly milliseconds: number;
}

/** One test is over: a sign of life, and worth a line when it was slow. */
export interface TestReport {
  readonly name: string;
  readonly failed: boolean;
  readonly milliseconds: number;
}

register('./hooks.js', import.meta.url);

const runner: VitestRunner = {
  config: {
    root: process.cwd(),
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { seed: 1, hooks: 'stack', setupFiles: 'list' },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: scaled(30_000),
    hookTimeout: scaled(60_000),
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: (path) => import(pathToFileURL(path).href),
  onBeforeRunTask: (test) => {
    if (process.env.SVMHOST && SKIPPED.some((rule) => rule.test(nameOf(test)))) test.mode = 'skip';
  },
  onAfterRunTask: (test) => {
    const { state, duration = 0 } = test.result ?? {};
    process.send?.({ finished: { name: nameOf(test), failed: state === 'fail', milliseconds: duration } });
  },
};

const tests = (task: Task): Task[] => (task.type === 'suite' ? [task, ...task.tasks.flatMap(tests)] : [task]);

function report(file: File, milliseconds: number): FileReport {
  const tasks = tests(file);
  const leaves = tasks.filter((task) => task.type === 'test');
  // A suite fails with its tests; it is a failure of its own only when it carries an error (a hook, an import).
  const failed = tasks.filter((t) => t.result?.state === 'fail' && (t.type === 'test' || t.result.errors?.length));
  return {
    file: file.filepath,
    passed: leaves.filter((t) => t.result?.state === 'pass').length,
    skipped: leaves.filter((t) => t.mode !== 'run' || t.result?.state === 'skip').map(nameAndReason),
    failed: failed.map((t) => ({ name: nameOf(t), message: t.result?.errors?.[0]?.message ?? 'no message' })),
    milliseconds,
  };
}

function nameAndReason(task: Task): string {
  const { note } = (task.result ?? {}) as { note?: string };
  return nameOf(task) + (note ? ` (${note})` : '');
}

function nameOf(task: Task): string {
  const parents = task.suite && task.suite.type === 'suite' && task.suite.name ? `${nameOf(task.suite)} > ` : '';
  return parents + task.name;
}

// A test may wait for nothing but another thread, which does not keep the event loop alive by itself.
const alive = setInterval(() => {}, 60_000);
for (const path of process.argv.slice(2)) {
  process.send?.({ starting: path });
  const begun = performance.now();
  const [file] = await startTests([path], runner);
  if (file) process.send?.({ done: report(file, performance.now() - begun) });
}
clearInterval(alive);
process.disconnect?.();
