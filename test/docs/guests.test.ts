/** The pages on guests of one's own: their sources are built and run as they stand there, and say what the pages show. */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { PROGRAM, scratch } from '../tools/cli/cli.ts';
import { normalised, ROOT, textOf } from './pages.ts';

const FOLDER = 'docs/guests';
/** Not run here: its kernel needs packages and hardware virtualization. test/real/linux-disk.test.ts does the same. */
const LINUX = 'linux.md';
const PAGES = readdirSync(`${ROOT}/${FOLDER}`).filter((name) => name.endsWith('.md'));

/** What a page says: files to write, and commands with what they print. */
function stepsOf(page: string) {
  const text = textOf(`${FOLDER}/${page}`);
  const files = [...text.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, name, body]) => ({
    name: name!,
    body: body!,
  }));
  const commands = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block]) =>
    block!
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const [command, ...output] = step.split('\n');
        return { command: command!, output: output.join('\n') };
      }),
  );
  return { files, commands };
}

const VMLAPSE = PROGRAM.map((word) => `'${word}'`).join(' ');

describeKvm('guests of one’s own', () => {
  it.each(PAGES.filter((page) => page !== 'README.md' && page !== LINUX))('%s shows what happens', (page) => {
    using folder = scratch();
    const { files, commands } = stepsOf(page);
    for (const { name, body } of files) writeFileSync(folder.file(name), body);
    expect(commands.length).toBeGreaterThan(0);
    for (const { command, output } of commands) {
      const shell = `{ ${command.replace(/^vmlapse /, `${VMLAPSE} `)}; } 2>&1`;
      const { stdout, status } = spawnSync('sh', ['-c', shell], {
        cwd: folder.path,
        encoding: 'utf8',
        timeout: scaled(20_000),
      });
      expect({ command, status, output: normalised(stdout) }).toEqual({
        command,
        status: 0,
        output: normalised(output),
      });
    }
  });
});

describe('the list of pages', () => {
  it('has each of them', () => {
    const list = textOf(`${FOLDER}/README.md`);
    for (const page of PAGES) if (page !== 'README.md') expect(list).toContain(`(${page})`);
  });
});
