import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { tied } from '../../../bench/tied.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { scaled } from '../../support/time.ts';
import { memoryAt } from './child.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));

interface Writer {
  readonly child: ChildProcess;
  /** The last step it reported, and the digest. */
  last(): { step: number; digest: string } | undefined;
  readonly ended: Promise<string>;
}

function startWriter(directory: string, tag: string, from: number, to: number): Writer {
  const child = spawn(...tied(process.execPath, [CHILD, directory, tag, `${from}`, `${to}`]), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  return {
    child,
    ended: new Promise((done) => child.on('close', () => done(errors))),
    last() {
      const [step, digest] = out.slice(0, out.lastIndexOf('\n')).split('\n').at(-1)!.split(' ');
      return digest ? { step: Number(step), digest } : undefined;
    },
  };
}

describe('kill -9', () => {
  it(
    'a writer killed at random moments loses nothing that it reported, and its lock is taken over',
    async () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, 'store');
      const next = random(31);
      let step = 0;
      let killed = 0;
      for (let round = 0; round < 12; round++) {
        const writer = startWriter(path, 'main', step, step + 10_000);
        const waitFor = 1 + next(12);
        const from = step;
        while ((writer.last()?.step ?? from - 1) < from + waitFor && writer.child.exitCode === null)
          await new Promise((done) => setTimeout(done, 1 + next(6)));
        if (writer.child.kill('SIGKILL')) killed++;
        const errors = await writer.ended;
        const reported = writer.last();
        expect(errors).toBe('');

        using store = openStore(path);
        expect(store.verify().problems).toEqual([]);
        using checkpoint = store.open('main');
        step = Number(checkpoint.info.label);
        if (reported) expect(step - reported.step, `round ${round}`).toBeOneOf([0, 1]);
        expect(differences(memoryAt(step), contentOf(checkpoint))).toEqual([]);
        if (reported) expect(store.resolve(reported.digest)).toBe(reported.digest);
        expect(store.log().length).toBe(step + 1);
        store.tag('main', `round-${round}`);
        step++;
      }
      expect(killed).toBe(12);
      using store = openStore(path);
      store.gc();
      expect(readdirSync(join(path, 'tmp'))).toEqual([]);
    },
    scaled(120_000),
  );
});

describe('two writers', () => {
  it(
    'each completes every commit, and both histories are whole',
    async () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, 'store');
      openStore(path, { create: true })[Symbol.dispose]();
      const writers = ['left', 'right'].map((tag) => startWriter(path, tag, 0, 24));
      for (const { ended } of writers) expect(await ended).toBe('');
      using store = openStore(path);
      expect(store.verify().problems).toEqual([]);
      for (const tag of ['left', 'right']) {
        using checkpoint = store.open(tag);
        expect(differences(memoryAt(24), contentOf(checkpoint))).toEqual([]);
        expect(store.resolve(`${tag}~24`)).toBeTruthy();
      }
      expect(store.log().length).toBe(50);
    },
    scaled(120_000),
  );

  it('the second is told who holds the lock when it has waited long enough', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using hasty = openStore(directory.path, { lockTimeoutMs: 30 });
    const lock = store.lock();
    const attempt = () => hasty.commit({ config: CONFIG, runs: [] });
    expect(attempt).toThrowError(
      expect.objectContaining({ code: 'LOCKED', message: expect.stringContaining(`process ${process.pid} `) }),
    );
    lock.release();
    lock.release();
    attempt();
  });

  it('a commit on a parent that another writer has removed is refused', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { digest } = store.commit({ config: CONFIG, runs: runsOf(new Map([[1, pageOf(1)]]), [1]) });
    using other = openStore(directory.path);
    other.remove(digest);
    other.gc();
    expect(() => store.commit({ config: CONFIG, parent: digest, runs: [] })).toThrowError(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
    expect(store.verify().problems).toEqual([]);
  });

  it('an open checkpoint stays readable when its blobs are collected', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const oracle: Oracle = new Map([[1, pageOf(1)]]);
    store.commit({ config: CONFIG, runs: runsOf(oracle, [1]) });
    using reader = openStore(directory.path, { readOnly: true });
    using checkpoint = reader.open('latest');
    store.remove('latest');
    expect(store.gc().removedBlobs).toBe(2);
    expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
  });
});

describe('the lock', () => {
  it('of a thread that ends without releasing it is free', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true, lockTimeoutMs: 10 });
    const program = `
      const { openStore } = await import(${JSON.stringify(new URL('../../../snapshot/store/store.js', import.meta.url).href)});
      openStore(${JSON.stringify(directory.path)}).lock();
      (await import('node:worker_threads')).parentPort.postMessage('held');
      setInterval(() => {}, 1000);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    await once(worker, 'message');
    expect(() => store.lock()).toThrowError(expect.objectContaining({ code: 'LOCKED' }));
    await worker.terminate();
    store.lock().release();
  });

  it('is no lock once its file is removed, as by whoever takes an empty store away', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true, lockTimeoutMs: 10 });
    using _ = store.lock();
    rmSync(join(directory.path, 'locks'), { recursive: true });
    store.lock().release();
  });

  it('names no holder where its file says none', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true, lockTimeoutMs: 10 });
    using _ = store.lock();
    writeFileSync(join(directory.path, 'locks', 'writer'), '\u001b[31m x');
    expect(() => store.lock()).toThrowError(
      expect.objectContaining({ code: 'LOCKED', message: expect.stringContaining('by process ? on ? —') }),
    );
  });
});

const mountable = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(!mountable)('a full disk (needs root to mount a small tmpfs)', () => {
  it('a commit that does not fit fails, leaves nothing, and succeeds once there is room', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'small');
    mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path]);
    try {
      using store = openStore(join(path, 'store'), { create: true });
      const oracle: Oracle = new Map(Array.from({ length: 100 }, (_, i) => [i, pageOf(i)]));
      const first = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) });
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(join(path, 'ballast'), new Uint8Array(Math.max(0, bavail * bsize - 20_000)));
      for (let page = 50; page < 150; page++) oracle.set(page, pageOf(page + 9000));
      const commit = () => store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(oracle, oracle.keys()) });
      expect(commit).toThrowError(
        expect.objectContaining({ code: 'NO_SPACE', message: expect.stringContaining('free some space') }),
      );
      expect(store.log().map(({ digest }) => digest)).toEqual([first.digest]);
      rmSync(join(path, 'ballast'));
      const { digest, stats } = commit();
      expect(stats).toMatchObject({ pages: 100, unchanged: 50 });
      using checkpoint = store.open(digest);
      expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
      expect(store.verify().problems).toEqual([]);
    } finally {
      execFileSync('umount', [path]);
    }
  });
});
