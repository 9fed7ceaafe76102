/** One step back and forward from the moments of a recording. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { History } from '../../../debug/history.ts';
import { guestPath } from '../../../guests/list.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { Replays } from '../../../tools/view/replays.ts';
import type { TimelinePage } from '../../../tools/view/timeline.ts';
import type { NoStep, StepEnd, Timeline } from '../../../tools/view/timeline-types.ts';
import type { Recorded } from '../../debug/support.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { cli, PROGRAM, scratch } from '../cli/cli.ts';
import { canStep, recordSteps, withSteps } from './step-pages.ts';

const isEnd = (step: StepEnd | NoStep | undefined): step is StepEnd => step !== undefined && 'position' in step;

describeKvm('one step from the moments of a recording', () => {
  let recorded: Recorded;
  let page: TimelinePage;
  beforeAll(() => {
    recorded = recordSteps();
    page = withSteps(recorded.store, 60_000);
  }, scaled(60_000));
  afterAll(() => recorded?.[Symbol.dispose]());

  it('is what the recording has there', () => {
    const { moments } = page.timeline;
    expect(moments).toHaveLength(4);
    using history = new History(recorded.open());
    const rip = () => `0x${history.replayer.registers.regs.rip.toString(16).padStart(16, '0')}`;
    const ripOf = (step: StepEnd) => step.fields.find(([, name]) => name === 'rip')?.[2];
    for (const [i, { exits }] of history.recording.points.entries()) {
      const { back, forward } = moments[i]!.steps!;
      history.seek({ exits, steps: 0 });
      if (canStep() && i > 0) {
        history.stepBack();
        expect(isEnd(back) && ripOf(back), `back from ${i}`).toBe(rip());
      }
      history.seek({ exits, steps: 0 });
      if (canStep() && i < 3) {
        history.step();
        expect(isEnd(forward) && ripOf(forward), `forward from ${i}`).toBe(rip());
      }
    }
    expect(moments[0]!.steps!.back).toEqual({ why: 'the recording begins here' });
    expect(moments[3]!.steps!.forward).toMatchObject({ why: expect.stringContaining('the recording ends here') });
  });

  it.runIf(canStep())('has memory, flags, code and the exit', () => {
    const [, first, , last] = page.timeline.moments;
    const { back, forward } = first!.steps! as { back: StepEnd; forward: StepEnd };
    expect(forward).toMatchObject({ position: '1+1', memory: [['first page', 0x500, '00', 'ff']], bytes: 1 });
    expect(forward.fields.map(([path, name]) => `${path} ${name}`)).toEqual(['vcpu/0/regs rip', 'vcpu/0/regs rflags']);
    expect(forward.exit).toBeUndefined();
    expect(back).toMatchObject({ exit: 'IO out 0x80 41', memory: [], bytes: 0 });
    expect(back.code.lines[0]![2]).toBe('out 0x80, al');
    expect((last!.steps!.back as StepEnd).exit).toBe('IO out 0xf4 07, which ends the guest');
  });

  it('is found from every moment again after a replay has failed', () => {
    using replays = new Replays(recorded.store);
    const { points } = recorded.open();
    replays.at(points.at(-1)!.digest);
    for (const { digest } of points.toReversed()) {
      replays.failed(new CheckpointError('CORRUPT', 'made up'));
      const [history, point] = replays.at(digest);
      expect([history.recording.points.length, history.recording.points[point]?.digest]).toEqual([
        points.length,
        digest,
      ]);
    }
  });

  it('says which ones were not found in time', () => {
    const { moments } = withSteps(recorded.store, 0.001).timeline;
    const late = { why: expect.stringMatching(/not found within the .* s of --steps/) };
    expect(moments.map(({ steps }) => steps)).toEqual(moments.map(() => ({ back: late, forward: late })));
  });
});

describeKvm('vmlapse view --steps', () => {
  const folder = scratch();
  const [store, file] = [folder.file('store'), folder.file('page.html')];
  beforeAll(async () => {
    expect((await cli(['run', '--record', '--store', store, guestPath('overrun')])).status).toBe(96);
  }, scaled(60_000));
  afterAll(() => folder[Symbol.dispose]());
  const last = () => {
    const [, json] = /id="timeline">(.*?)<\/script>/s.exec(readFileSync(file, 'utf8'))!;
    return (JSON.parse(json!) as Timeline).moments.at(-1)!;
  };

  it.runIf(canStep())(
    'puts them into the page, with symbols; without it there are none',
    async () => {
      const made = await cli(['view', '--store', store, '--html', file, '--steps']);
      expect(made).toMatchObject({ status: 0, stderr: '' });
      expect((last().steps!.back as StepEnd).code.at).toMatch(/^panic\+/);
      await cli(['view', '--store', store, '--html', file]);
      expect(last().steps).toBeUndefined();
    },
    scaled(60_000),
  );

  it('is refused for a machine with a name', async () => {
    expect(await cli(['view', 'kitchen', '--steps'])).toMatchObject({ status: 2, stderr: /--steps.*leave it out/ });
  });

  const hidesKvm = spawnSync('unshare', ['-m', 'true']).status === 0 && existsSync('/dev/kvm');
  describe.runIf(hidesKvm)('where /dev/kvm is none [needs root and unshare]', () => {
    it('says so on stderr and in the page, which is made without', async () => {
      const hidden = ['-m', 'sh', '-c', 'mount --bind /dev/null /dev/kvm && exec "$@"', 'sh', ...PROGRAM];
      const args = ['view', '--store', store, '--html', file, '--steps', '--blame'];
      const { status, stderr } = spawnSync('unshare', [...hidden, ...args], { encoding: 'utf8' });
      expect(stderr).toMatch(/^vmlapse: the page lacks what only a replay can find: KVM_GET_API_VERSION: .*\n$/);
      expect(status).toBe(0);
      const none = { why: expect.stringContaining('KVM_GET_API_VERSION') };
      expect(last().steps).toEqual({ back: none, forward: none });
    });
  });
});
