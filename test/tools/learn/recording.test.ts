/** The exercises on recordings, for those who have no /dev/kvm: they get the answers that they would get on KVM. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { happenings, RECORDED, record } from '../../../scripts/learn-recordings.ts';
import { RIGHT } from '../../../scripts/learn-takes.ts';
import { kvmBackend } from '../../../src/kvm/backend.ts';
import { CHANNEL_FD, KEY_BYTES, ORDER_VARIABLE, unsealed } from '../../../tools/learn/channel.ts';
import { exerciseOf, programOf } from '../../../tools/learn/course.ts';
import { recorded, recordingPath } from '../../../tools/learn/recording/file.ts';
import { readRecording } from '../../../tools/learn/recording/format.ts';
import { byteAt, firstDifference, spread, stretchesOf } from '../../../tools/learn/recording/stretches.ts';
import { asMac } from '../../support/elsewhere.ts';
import { describeKvm } from '../../support/kvm.ts';
import { PROGRAM, start } from '../cli/cli.ts';
import { filledWith, Learner, sourceOf } from './learner.ts';
import { UNFINISHED, WRONG } from './wrong.ts';

const learner = new Learner();
afterAll(() => learner[Symbol.dispose]());

describe('bytes as stretches', () => {
  it('come back as they were, and are compared', () => {
    const bytes = new Uint8Array(100);
    bytes.set([1, 0, 2], 10);
    bytes.set([3], 40);
    const stretches = stretchesOf(bytes, 1000);
    expect(stretches).toEqual([
      [1010, '010002'],
      [1040, '03'],
    ]);
    const back = new Uint8Array(100).fill(9);
    spread(stretches, back, 1000);
    expect(back).toEqual(bytes);
    expect([byteAt(stretches, 1012), byteAt(stretches, 1013)]).toEqual([2, 0]);
    expect(firstDifference(stretches, stretches)).toBeUndefined();
    expect(firstDifference(stretches, [[1010, '0100']])).toBe(1012);
    expect(firstDifference([], stretchesOf(new Uint8Array(2 ** 20).fill(0xf4), 4096))).toBe(4096); // much that differs
  });
});

describe('the recordings', () => {
  it('are those of the exercises of lessons 1 to 5', () => {
    expect(recorded().map(({ slug }) => slug)).toEqual(RECORDED.map(({ slug }) => slug));
    // The device of exercise 17 is of a machine with chips, a thread and checkpoints.
    expect(RECORDED.every(({ lesson }) => Number(lesson.slice(0, 2)) <= 5)).toBe(true);
  });

  it.each(RECORDED.map((exercise) => [exercise.name, exercise] as const))(
    '%s gets the answers of KVM',
    async (_, exercise) => {
      const { slug } = exercise;
      const source = sourceOf(exercise);
      const rights = [programOf(exercise, 'solution'), ...RIGHT[slug]!.map((gap) => filledWith(source, gap))];
      for (const right of rights) {
        const { passed, problem, on } = await learner.checkRecorded(exercise, right);
        expect(passed, JSON.stringify(problem)).toBe(true);
        expect(on).toBe('recording');
      }
      expect((await learner.checkRecorded(exercise, programOf(exercise, 'start'))).key).toBe(UNFINISHED[slug]);
      for (const [key, gap] of Object.entries(WRONG[slug]!))
        expect((await learner.checkRecorded(exercise, filledWith(source, gap))).key).toBe(key);
    },
  );

  const lost = async (name: string, gap: string) => {
    const exercise = exerciseOf(name);
    const { passed, key, problem } = await learner.checkRecorded(exercise, filledWith(sourceOf(exercise), gap));
    expect({ passed, key }).toEqual({ passed: false, key: 'unrecorded' });
    return problem!.problem;
  };

  it.each([
    [
      'slots',
      '{ slot: 1, flags: 0, gpa: 0x8000, size: 4096, mapping: ram, offset: 0 },',
      /SLOT|slot 1, 0x1000 bytes at 0x8000\. The recording has: slot 1, 0x10000 bytes at 0x10000$/,
    ],
    [
      'exits',
      'vm.enableCap("KVM_CAP_SPLIT_IRQCHIP", 24n);',
      /KVM_ENABLE_CAP .*The recording has no KVM_ENABLE_CAP there\.$/,
    ],
    ['exits', 'vm.createVcpu(0, 12288);', /KVM_CREATE_VCPU 0\. The recording has: 0$/],
    ['exits', 'ram.bytes[0x1234] = 7;', /KVM_RUN\. memory\[0x1234\] is 0x7, in the recording 0x0/],
    ['exits', 'vcpu.area.head.request_interrupt_window = 1;', /kvm_run\.request_interrupt_window\[0x0\] is 0x1/],
    ['exits', 'sregs.cr2 = 1n; vcpu.setSregs(sregs);', /cr2 is 0x1, in the recording 0x0/],
  ])('%s does not know %s', async (name, gap, message) => {
    expect(await lost(name, gap)).toMatch(message);
  });

  it('a program cannot go on after it', async () => {
    const exercise = exerciseOf('exits');
    const gap = 'try { vcpu.nmi(); } catch {} console.log("OUT 0x3f8 48"); process.on("exit", () => vcpu.nmi());';
    expect(await learner.checkRecorded(exercise, filledWith(sourceOf(exercise), gap))).toMatchObject({
      key: 'unrecorded',
      stdout: '',
    });
  });
});

it('a program on a recording needs neither Linux nor its C library', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-mac-'));
  try {
    const [mac, channel] = [asMac(folder), join(folder, 'channel')];
    for (const exercise of RECORDED) {
      const file = join(learner.folder, `${exercise.name}.js`);
      writeFileSync(file, `${programOf(exercise, 'solution')}\nkvm.fd[Symbol.dispose](); vm?.[Symbol.dispose]();\n`);
      const fd = openSync(channel, 'w+');
      const key = new Uint8Array(KEY_BYTES).fill(7);
      writeSync(fd, key, 0, KEY_BYTES, 0);
      const order = { parent: process.pid, look: [], recording: recordingPath(exercise) };
      const probe = new URL('../../../tools/learn/probe.js', import.meta.url).href;
      const child = spawn(process.execPath, [...mac, '--import', probe, file], {
        env: { ...process.env, [ORDER_VARIABLE]: JSON.stringify(order) },
        stdio: ['ignore', 'ignore', 'inherit', fd],
      });
      const status = await new Promise((resolve) => child.once('exit', resolve));
      expect(status).toBe(0);
      expect(CHANNEL_FD).toBe(3);
      const told = unsealed(key, readFileSync(channel, 'utf8'))!;
      expect(told.some((one) => 'call' in one)).toBe(true);
      expect(told.some((one) => 'unrecorded' in one || 'threw' in one)).toBe(false);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Runs something where /dev/kvm is another file, which is none of KVM's. */
const HIDDEN = ['unshare', '-m', 'sh', '-c', 'mount --bind /dev/null /dev/kvm && exec "$0" "$@"'] as const;
const canHide = spawnSync(HIDDEN[0], [...HIDDEN.slice(1), 'true']).status === 0;

(canHide ? describe : describe.skip)(`without /dev/kvm${canHide ? '' : ' [skipped: needs root, to hide it]'}`, () => {
  const learn = async (...args: readonly string[]) => {
    const words = [...HIDDEN.slice(1), ...PROGRAM, 'learn', '--lang', 'en', ...args];
    return start(HIDDEN[0], words, { cwd: learner.folder }).outcome;
  };
  const put = (name: string) =>
    writeFileSync(join(learner.folder, `${exerciseOf(name).name}.js`), programOf(exerciseOf(name), 'solution'));

  it('a learner does what can be done, and is told what it rests on', async () => {
    rmSync(join(learner.folder, 'vmlapse-learn.json'), { force: true });
    for (const name of ['ask', 'ports', 'diff']) {
      put(name);
      expect((await learn('start', name, '.')).status).toBe(0);
    }
    const passed = await learn('check', 'ask');
    expect(passed.status).toBe(0);
    expect(passed.stdout).toMatch(
      /: passed .*\nOn a recording: your program got the answers that KVM \(kind PVM, Linux [\d.]+.* on 20\d\d-\d\d-\d\d/,
    );
    const json = JSON.parse((await learn('check', 'ports', '--json')).stdout) as object;
    expect(json).toMatchObject({ passed: true, on: 'recording', recording: { kvm: 'PVM' } });

    const needsKvm = await learn('check', 'diff');
    expect(needsKvm).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(
        /nobody can tell here.*\n.*no usable KVM: .*\n.*\n.*on a recording: 1, 2, 3, 4, 5, 6, 10\n/,
      ),
    });
    expect((await learn('list')).stdout).toMatch(/\[x\] {2}Does KVM work here\? \(on a recording\)\n/);

    const [report] = JSON.parse((await learn('report', '--json')).stdout) as [{ passed: number; exercises: object[] }];
    expect(report.passed).toBe(2);
    expect(report.exercises[0]).toMatchObject({ slug: 'ask', state: 'passed', on: 'recording' });
    expect(report.exercises[15]).toMatchObject({ slug: 'diff', state: 'unchecked', key: 'no-kvm' });
    expect((await learn('report')).stdout).toMatch(/2 of \d+ done {2}on a recording, 16 \(no-kvm\)/);
  });
});

describeKvm('a recording', () => {
  it.each(RECORDED.map((exercise) => [exercise.name, exercise] as const))(
    '%s is what KVM does today (else: npm run lessons)',
    (_, exercise) => {
      const kept = readRecording(recordingPath(exercise));
      if (kept.origin.kvm === kvmBackend()) {
        expect(happenings(record(exercise))).toBe(happenings(kept));
        return;
      }
      // Kinds of KVM differ in registers and in kvm_run; what a right answer does to memory is the same.
      const memories = record(exercise, false).runs.map(({ left }) => left.memory);
      const known = kept.runs.filter(({ right }) => right).map(({ left }) => JSON.stringify(left.memory));
      for (const memory of memories) expect(known).toContain(JSON.stringify(memory));
    },
  );

  it('is noted as such until KVM has said the same', async () => {
    rmSync(join(learner.folder, 'vmlapse-learn.json'), { force: true });
    const learn = (...args: readonly string[]) =>
      start(PROGRAM[0], [PROGRAM[1], 'learn', '--lang', 'en', ...args], { cwd: learner.folder }).outcome;
    writeFileSync(join(learner.folder, '01-ask.js'), programOf(exerciseOf('ask'), 'solution'));
    await learn('start', '1', '.');
    expect((await learn('check', '1', '--recording')).status).toBe(0);
    expect((await learn()).stdout).toContain('[x]  Does KVM work here? (on a recording)');
    expect((await learn('check', '1')).stdout).not.toContain('recording');
    expect((await learn()).stdout).toContain('[x]  Does KVM work here?\n');
    expect((await learn('check', '1', '--recording')).status).toBe(0);
    expect((await learn()).stdout).toContain('[x]  Does KVM work here?\n');
    expect(await learn('check', '16', '--recording')).toMatchObject({ status: 2 }); // not begun
  });
});
