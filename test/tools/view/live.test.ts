/** `vmlapse view NAME`: a browser that follows a running machine, and drives it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { guestPath } from '../../../guests/list.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { connectTo } from '../../../tools/control/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { cli, startCli } from '../cli/cli.ts';
import { namedMachines } from '../control/named-machines.ts';
import { call } from '../control/sockets.ts';
import { describeBrowser, newContext, startBrowser } from './browser.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const here = namedMachines();

function abilities() {
  using kvm = Kvm.open();
  return debugAbilities(kvm);
}

describeKvm('vmlapse view of a running machine', () => {
  it('is refused without a store, for a name that is none, and for options that do not fit', async () => {
    await here.begin('bare', 'run', '--mem', '16', '--name', 'bare', guestPath('memory-writer'));
    const asked = async (...args: string[]) => {
      const { status, stderr } = await cli(['view', ...args]);
      return `${status} ${stderr}`;
    };
    expect(await asked('bare')).toMatch(/^1 .*has no store.*--store DIR/);
    expect(await asked('nobody')).toMatch(/^1 .*nobody/);
    expect(await asked('bare', '--html', 'x.html')).toMatch(/^2 /);
    expect(await asked('bare', '--listen', '0.0.0.0:8000')).toMatch(/^2 .*0\.0\.0\.0 .*the page can drive the machine/);
    expect(await asked('--listen', '8000')).toMatch(/^2 /);
  });
});

describeKvm('Ctrl-C at vmlapse view of a running machine', () => {
  it('ends the server, and says nothing of the machine, which runs on', async () => {
    const options = ['--mem', '16', '--name', 'kitchen', '--store', here.file('store')];
    await here.begin('kitchen', 'run', ...options, guestPath('memory-writer'));
    const view = startCli(['view', 'kitchen']);
    here.started.push(view);
    await once(view.child.stdout, 'data');
    view.child.kill('SIGINT');
    expect(await view.outcome).toMatchObject({ status: 0, stderr: '' });
    expect((await call('kitchen', 'status')).state).toBe('running');
  });
});

describeBrowser('the page of a running machine', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  }, scaled(60_000));
  afterAll(() => browser?.close());

  const follow = async (name: string) => {
    const view = startCli(['view', name]);
    here.started.push(view);
    const [printed] = await once(view.child.stdout, 'data');
    const page = await (await newContext(browser, { viewport: { width: 360, height: 900 } })).newPage();
    await page.goto(String(printed).trim());
    return page;
  };

  describeKvm('on this host', () => {
    it(
      'steps by an exit and by an instruction, or says why not; its text grows, and stays with its checkpoint',
      async () => {
        const store = ['--store', here.file('store')];
        const guest = ['--mem', '16', '--name', 'echo', guestPath('echo-polled')];
        const machine = await here.begin('echo', 'run', ...store, ...guest);
        await machine.said('stdout', 'Ctrl-D');
        const page = await follow('echo');
        await page.getByText('echo-polled: type').waitFor();
        const stepped = page.locator('.stepped [role=status]');
        await page.getByRole('button', { name: 'Step to the next exit' }).click();
        await stepped.getByText('IO in 0x3fd 1 byte').waitFor();
        expect(await stepped.textContent()).toMatch(/next at (main|getc|serial)\S*/);
        expect((await call('echo', 'status')).state).toBe('paused');
        await page.getByRole('button', { name: 'Step one instruction' }).click();
        const canStep = abilities().kernel.step;
        if (canStep) await stepped.getByText('one instruction').waitFor();
        else await page.getByRole('alert').getByText('cannot run a single instruction').waitFor();
        await page.getByRole('button', { name: 'Resume' }).click();
        await stepped.waitFor({ state: 'detached' });

        await call('echo', 'input', { data: 'before' });
        await page.getByText('before').waitFor();
        await page.getByRole('button', { name: 'Checkpoint' }).click();
        const upToHere = page.getByRole('region', { name: 'serial text up to here' });
        await upToHere.getByText('before').waitFor();
        await call('echo', 'input', { data: 'behind' });
        const since = page.getByRole('region', { name: 'serial text since' });
        await since.getByText('behind').waitFor();
        await page.evaluate(AXE);
        expect(await page.evaluate('axe.run().then(({ violations }) => violations.map(({ id }) => id))')).toEqual([]);
        await page.getByRole('button', { name: 'Roll back to this moment' }).click();
        await page.getByText('Nothing yet.').waitFor();
        expect(await upToHere.textContent()).toMatch(/before$/);
      },
      scaled(120_000),
    );

    it(
      'says where this host cannot step, and that no exit came; what is no vCPU is refused',
      async () => {
        const store = ['--store', here.file('store')];
        const guest = ['--mem', '16', '--name', 'ring3', guestPath('ring3-writer')];
        const machine = await here.begin('ring3', 'run', ...store, ...guest);
        await machine.said('stdout', 'pages a round');
        const page = await follow('ring3');
        const stepped = page.locator('.stepped [role=status]');
        await page.getByRole('button', { name: 'Step to the next exit' }).click();
        await stepped.getByText('no exit came within 2 s').waitFor();
        await page.getByRole('button', { name: 'Step one instruction' }).click();
        if (abilities().user.step) await stepped.getByText('one instruction').waitFor();
        else await page.getByRole('alert').getByText('ring 3: step to the next exit instead').waitFor();
        await expect(call('ring3', 'step', { by: 'exit', vcpu: 7 })).rejects.toThrow('there is no vCPU 7');
        // Two at once: the second is told, and neither is lost. Connected first, or one may be over before the other asks.
        const clients = await Promise.all([connectTo('ring3'), connectTo('ring3')]);
        const both = await Promise.allSettled(clients.map((client) => client.call('step', { by: 'exit' })));
        for (const client of clients) client.close();
        expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
        await call('ring3', 'resume');
        expect((await call('ring3', 'status')).state).toBe('running');
      },
      scaled(120_000),
    );

    it(
      'grows, pauses, resumes, takes checkpoints and rolls back; two browsers see the same; then it has ended',
      async () => {
        const machine = await here.begin(
          'kitchen',
          'run',
          '--mem',
          '16',
          '--name',
          'kitchen',
          '--store',
          here.file('store'),
          guestPath('memory-writer'),
        );
        await machine.said('stdout', 'pages a round');
        const view = startCli(['view', 'kitchen']);
        here.started.push(view);
        const [printed] = await once(view.child.stdout, 'data');
        const url = String(printed).trim();
        const wrong: string[] = [];
        const pages = await Promise.all(
          [0, 1].map(async () => {
            const page = await (await newContext(browser)).newPage();
            page.on('pageerror', (error) => wrong.push(error.message));
            await page.goto(url);
            return page;
          }),
        );
        const [page, other] = pages as [(typeof pages)[0], (typeof pages)[0]];
        await page.getByRole('heading', { name: 'No checkpoint is in this store' }).waitFor();
        await page.getByRole('button', { name: 'Checkpoint' }).click();
        await page.locator('.moment h2', { hasText: '#1' }).waitFor();
        await call('kitchen', 'checkpoint', { label: 'from a terminal' });
        for (const each of pages) await each.locator('.moment h2', { hasText: '#2 from a terminal' }).waitFor();

        // What was printed up to the first checkpoint is known, though it was printed before the page was opened.
        await page.getByRole('region', { name: 'serial text up to here' }).getByText('pages a round').waitFor();

        await page.getByRole('button', { name: 'Pause the machine' }).click();
        await other.getByRole('button', { name: 'Resume' }).waitFor();
        expect((await call('kitchen', 'status')).state).toBe('paused');
        await other.getByRole('button', { name: 'Resume' }).click();
        await page.getByRole('button', { name: 'Pause the machine' }).waitFor();

        await page.getByRole('slider', { name: 'moment' }).press('Home');
        await page.getByRole('button', { name: 'Roll back to this moment' }).click();
        await call('kitchen', 'checkpoint', { label: 'a branch' });
        await other.locator('.moment h2', { hasText: '#3 a branch' }).waitFor();
        expect(await other.locator('.versus').textContent()).toContain('#1');
        // A moment that was chosen stays, though the timeline has grown.
        expect(await page.locator('.moment h2').textContent()).toContain('#1');

        await page.evaluate(AXE);
        expect(await page.evaluate('axe.run().then(({ violations }) => violations.map(({ id }) => id))')).toEqual([]);

        await other.route('**/timeline', (route) => route.fulfill({ status: 409, body: 'the store is damaged' }));
        await call('kitchen', 'stop');
        await other.getByRole('alert').getByText('the store is damaged').waitFor();
        for (const each of pages) await each.getByText('ended', { exact: true }).waitFor();
        view.child.kill('SIGINT');
        await view.outcome;
        for (const each of pages) await each.getByText('The server of this page is gone.').waitFor();
        expect(wrong).toEqual([]);
      },
      scaled(120_000),
    );
  });
});
