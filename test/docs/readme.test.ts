/** What the README shows is what happens. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';
import { blockOf, normalised, ROOT, textOf } from './pages.ts';

const README = textOf('README.md');

/** Runs a built script; its output, both streams in the order they were written. */
function outputOf(script: string): string {
  const command = `exec "${process.execPath}" "${join(ROOT, 'dist', script)}" 2>&1`;
  const { stdout, status } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  expect(status, stdout).toBe(0);
  return stdout;
}

describeKvm('README', () => {
  it('shows the real output of the demo', () => {
    expect(normalised(outputOf('scripts/demo.js'))).toBe(normalised(blockOf(README, 'console')));
  });

  it('shows the real output of its example', () => {
    expect(normalised(outputOf('docs/readme-example.js'))).toBe(normalised(blockOf(README, '', '\nprints\n')));
  });
});

describe('README', () => {
  it('shows the example that is compiled', () => {
    expect(blockOf(README, 'ts')).toBe(textOf('docs/readme-example.ts').trimEnd());
  });

  it('names every command there is', async () => {
    const { createProgram } = await import('../../src/cli/program.ts');
    const hidden = new Set(['help', 'completion']);
    const commands = createProgram('0').commands.map((command) => command.name());
    const missing = commands.filter((name) => !hidden.has(name) && !README.includes(`vmlapse ${name}`));
    expect(missing).toEqual([]);
  });
});
