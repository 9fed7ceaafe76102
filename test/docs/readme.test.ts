/** What the README shows is what happens. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeKvm, hostKind } from '../support/kvm.ts';
import { blockOf, normalised, ROOT, textOf } from './pages.ts';

const README = textOf('README.md');

/** The part of the demo's output that is the same on every kind of KVM: commands, guest output, results. */
const everywhere = (output: string) =>
  output
    .split('\n')
    .filter((line) => /^(\$|compute|round|vmlapse)/.test(line))
    .join('\n');

/**
 * The guest writes to one stream and the command to another, so where a checkpoint's line falls among the guest's bytes,
 * even within a line, is a matter of time: within each command's output these lines come last.
 */
function inOrder(output: string): string {
  const message = /vmlapse: checkpoint [^\n]*\n/g;
  const commands = `${output}\n`.split(/^(?=\$ )/m);
  return commands.map((text) => text.replace(message, '') + (text.match(message) ?? []).join('')).join('');
}

/** Runs a script; its output, both streams in the order they were written. */
function outputOf(...script: string[]): string {
  const command = `exec "${process.execPath}" "${join(ROOT, ...script)}" 2>&1`;
  const { stdout, status } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  expect(status, stdout).toBe(0);
  return stdout;
}

describeKvm('README', () => {
  it('shows the real output of the demo', () => {
    const shown = blockOf(README, 'console');
    const compared = shown.includes(hostKind) ? normalised : (output: string) => normalised(everywhere(output));
    expect(compared(inOrder(outputOf('dist', 'scripts', 'demo.js')))).toBe(compared(inOrder(shown)));
  });

  it.each([
    ['JavaScript', 'docs/readme-example.mjs'],
    ['TypeScript', 'dist/docs/readme-example.js'],
  ])('shows the real output of its example in %s', (_, script) => {
    expect(normalised(outputOf(script))).toBe(normalised(blockOf(README, '', '\nprints\n')));
  });
});

describe('README', () => {
  it('shows the examples that are run', () => {
    expect(blockOf(README, 'js')).toBe(textOf('docs/readme-example.mjs').trimEnd());
    expect(blockOf(README, 'ts')).toBe(textOf('docs/readme-example.ts').trimEnd());
  });

  it.each(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'])('%s has rows of tables that fit a terminal', (page) => {
    const long = textOf(page)
      .split('\n')
      .filter((line) => line.startsWith('|') && line.length >= 120);
    expect(long).toEqual([]);
  });

  it('names every command there is', async () => {
    const { createProgram } = await import('../../tools/cli/program.ts');
    const hidden = new Set(['help', 'completion']);
    const commands = (await createProgram('0')).commands.map((command) => command.name());
    const missing = commands.filter((name) => !hidden.has(name) && !README.includes(`vmlapse ${name}`));
    expect(missing).toEqual([]);
  });
});
