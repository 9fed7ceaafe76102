import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXIT_DOCS, Exit } from '../../../src/abi/exits.ts';
import { IOCTLS } from '../../../src/abi/ioctls.ts';
import type { IoctlEvent } from '../../../src/kvm/trace.ts';
import { chapterOf } from '../../../tools/trace/chapters.ts';
import { sentenceOf } from '../../../tools/trace/explain.ts';
import { TEXT_LENGTH } from '../../../tools/trace/format.ts';
import { lessonTrace } from '../../../tools/trace/lessons.ts';
import { Life } from '../../../tools/trace/life.ts';
import { tracePage } from '../../../tools/trace/page/page.ts';
import { MOST_STEPS, Steps } from '../../../tools/trace/page/steps.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';
import { LONG } from '../../support/long.ts';
import { scaled } from '../../support/time.ts';
import { HEADER, read, run } from './support.ts';

const ioctl = (name: string, more: Partial<IoctlEvent> = {}): IoctlEvent => {
  const { note: _, ...event } = run(1, { name, ...more });
  return event;
};

describe('the sentence of an event', () => {
  it('says what an ioctl does, and what its answer means', () => {
    expect(sentenceOf(ioctl('KVM_CREATE_VM'))).toMatch(
      /creates a virtual machine.*It returns: VM file descriptor \(api.rst 4.2\)$/,
    );
    expect(sentenceOf(ioctl('KVM_CREATE_VCPU', { result: -17 }))).toMatch(/It answers EEXIST: /);
    expect(sentenceOf(run(1, { note: 'HLT' }))).toMatch(/^KVM_RUN came back with HLT: the guest waits/);
  });

  it('is none for what the tables do not know', () => {
    for (const event of [
      ioctl('KVM_FLY'),
      ioctl('constructor'),
      run(1, { name: 'toString' }),
      { at: 1, who: 'main', text: 'x' },
    ])
      expect(sentenceOf(event)).toBeUndefined();
    expect(sentenceOf(run(1, { note: 'constructor' }))).toMatch(/^KVM_RUN: runs the guest/);
  });

  it('is there for every exit of x86', () => {
    const elsewhere = /^(S390|ARM|RISCV|LOONGARCH|PAPR|OSI|DCR|EPR|WATCHDOG|TDX|AP_RESET)/;
    const without = Object.keys(Exit).filter((name) => !elsewhere.test(name) && !Object.hasOwn(EXIT_DOCS, name));
    expect(without).toEqual([]);
  });
});

describe('the chapters', () => {
  it('have every ioctl', () => {
    const other = chapterOf('KVM_FLY');
    expect(other.title).toBe('Other requests');
    expect(Object.keys(IOCTLS).filter((name) => chapterOf(name) === other)).toEqual([]);
  });

  it('name lessons as the index does', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    for (const name of Object.keys(IOCTLS)) {
      const [number, title] = chapterOf(name).lesson;
      expect(index).toContain(`\n${number}. [${title}](lessons/`);
    }
  });
});

describe('the life of a machine', () => {
  it('is what there is by then', () => {
    const life = new Life();
    const slot = (text: string) =>
      ioctl('KVM_SET_USER_MEMORY_REGION', { fd: 5, file: 'anon_inode:kvm-vm', arg: `{${text}}` });
    life.add(slot('slot=0, guest_phys_addr=0x0, memory_size=0x8000, userspace_addr=0x7f00'));
    life.add(slot('slot=1, flags=LOG_DIRTY_PAGES, guest_phys_addr=0x10000, memory_size=0x1000'));
    life.add(slot('slot=0, guest_phys_addr=0x0'));
    life.add(ioctl('KVM_SET_REGS', { arg: '{rip=0x1000}' }));
    life.add(ioctl('KVM_SET_REGS', { arg: '{rip=0x2000}', result: -22 }));
    life.add(run(0x48));
    life.add(run(0x69));
    life.add(run(3, { note: 'HLT' }));
    expect(life.facts).toEqual([
      ['Descriptors', '5 is anon_inode:kvm-vm\n7 is anon_inode:kvm-vcpu:0'],
      ['Memory slots', '1: from 0x10000, 0x1000 bytes, LOG_DIRTY_PAGES'],
      ['Registers, as last read or written', 'REGS of anon_inode:kvm-vcpu:0: {rip=0x1000}'],
      ['Exits', 'IO 2, HLT 1'],
      ['The guest has printed', 'Hi'],
    ]);
  });
});

const pageOf = (steps: Steps) => tracePage(HEADER, steps, 'About.', ['A remark.']);

async function lesson(number: number): Promise<string> {
  const { header, events } = await read(readFileSync(lessonTrace(number)));
  const steps = new Steps(header.origin);
  for (const event of events) steps.add(event);
  return tracePage(header, steps, 'About.', []);
}

describe('the page', () => {
  it('has a step for each ioctl, and links to its own steps and to lessons', async () => {
    const page = await lesson(4);
    const ids = [...page.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);
    expect(ids).toHaveLength(16);
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, to]) => to!);
    for (const to of links.filter((to) => !to.startsWith('file:'))) expect(ids.map((id) => `#${id}`)).toContain(to);
    expect(page).toContain('KVM_RUN came back with MMIO');
    expect(page).toContain('<h3>Then</h3><pre>prints: IO   in  0x3f8: &quot;A&quot;</pre>');
    expect(page).not.toMatch(/https?:/);
    const pages = links.filter((to) => to.startsWith('file:')).map((to) => fileURLToPath(to));
    expect(pages).toHaveLength(ids.length);
    expect(pages.every((path) => existsSync(path))).toBe(true);
    expect(pages[0]).toMatch(/docs\/lessons\/01-open\.md$/);
    expect(page).toMatch(/04-exits\.md">Lesson 4, <i>The exit loop<\/i>,<\/a> tells more/);
  });

  it('has what was printed before the first step that was chosen', () => {
    const steps = new Steps(0);
    const text = (text: string) => ({ at: 1, who: 'main', text });
    steps.add(text('prints: early'), false);
    steps.add(ioctl('KVM_CREATE_VM'), false);
    steps.add(text('prints: still before'), false);
    steps.add(run(1));
    steps.add(text('prints: after'), false);
    expect(pageOf(steps)).toContain('<h3>Before the first step</h3><pre>prints: early\nprints: still before</pre>');
    expect(steps.steps[0]!.said).toEqual(['prints: after']);
    for (let i = 0; i < 100; i++) steps.add(text('more'));
    expect(steps.steps[0]!.said).toHaveLength(20);
  });

  it('has at most a thousand steps, and may have none', () => {
    const steps = new Steps(0);
    for (let i = 0; i < MOST_STEPS + 5; i++) steps.add(run(i));
    expect(steps.leftOut).toBe(5);
    expect(pageOf(steps).length).toBeLessThan(3 * 2 ** 20);
    expect(pageOf(new Steps(0))).toContain('There are no ioctls in it.');
  });

  it('knows of what is no step', () => {
    const steps = new Steps(0);
    steps.add(ioctl('KVM_SET_REGS', { arg: '{rip=0x1000}' }), false);
    steps.add(run(1));
    expect(steps.steps).toHaveLength(1);
    expect(pageOf(steps)).toContain('{rip=0x1000}');
  });

  it('of a hostile file has a bound, too', () => {
    const steps = new Steps(0);
    const long = (i: number) => `${i}${'"'.repeat(TEXT_LENGTH - 10)}`;
    for (let i = 0; i < 2 * MOST_STEPS; i++) {
      steps.add(ioctl('KVM_SET_REGS', { fd: i, file: long(i), arg: long(i) }));
      for (let k = 0; k < 30; k++) steps.add({ at: 1, who: 'main', text: long(k) });
    }
    expect(steps.leftOut).toBeGreaterThan(MOST_STEPS);
    expect(pageOf(steps).length).toBeLessThan(6 * 5 * 2 ** 20);
  });

  it('is inert, whatever the file says', () => {
    const bad = '<script>alert(1)</script><img src=x onerror=alert(1)>"\'&\u202e\u0007';
    const steps = new Steps(0);
    steps.add(ioctl('KVM_SET_REGS', { file: bad, arg: bad, who: bad }));
    steps.add(run(2, { note: bad, file: bad, name: 'KVM_RUN' }));
    steps.add({ at: 3, who: bad, text: bad });
    const page = tracePage({ ...HEADER, what: bad }, steps, bad, [bad]);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/<img|onerror=alert\(1\)>"|[\u202e\u0007]/);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    const policy = page.match(/content="(default-src [^"]*)"/)![1]!.replaceAll('&#39;', "'");
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[\w+/]+=*'; style-src 'sha256-[\w+/]+=*'; base-uri 'none'/,
    );
  });
});

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

const why = !chromium ? 'no chromium; Debian has it as the package chromium' : LONG ? undefined : 'npm run test:long';

(why === undefined ? describe : describe.skip)(`in a browser${why === undefined ? '' : ` [skipped: ${why}]`}`, () => {
  it(
    'the script of the page runs, and marks the step that the address names',
    async () => {
      using folder = temporaryDirectory();
      const file = join(folder.path, 'page.html');
      writeFileSync(file, await lesson(4));
      const flags = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
      ];
      const profile = `--user-data-dir=${join(folder.path, 'profile')}`;
      const { stdout } = spawnSync(
        chromium!,
        [...flags, profile, '--dump-dom', `${pathToFileURL(file).href}#step-13`],
        {
          encoding: 'utf8',
          timeout: scaled(60_000),
        },
      );
      expect(stdout.match(/<a [^>]*aria-current[^>]*>[^<]*/g)).toEqual([
        expect.stringMatching(/href="#step-13".*MMIO write/),
      ]);
    },
    scaled(90_000),
  );
});
