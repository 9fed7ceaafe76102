/**
 * Turns the tables of src/abi into a C program that prints what the installed <linux/kvm.h> says about each row, and
 * runs it. One fact is one line: a key, a space, a number. A fact about a name that the header lacks is not printed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A number that both sides must agree on. `macro`: the name whose absence means that this header is too old. */
export interface Fact {
  readonly key: string;
  readonly expression: string;
  readonly expected: bigint;
  readonly macro?: string | undefined;
}

/** Extra include directories, to check against other headers than the installed ones: KVM_INCLUDE=dir:dir. */
const INCLUDES = (process.env.KVM_INCLUDE ?? '').split(':').filter(Boolean);
const FLAGS = ['-w', ...INCLUDES.map((dir) => `-I${dir}`)];
const HEADERS = '#include <linux/kvm.h>\n';

/** Whether there is a C compiler that finds <linux/kvm.h>. */
export function compilerPresent(): boolean {
  const probe = spawnSync('gcc', [...FLAGS, '-E', '-x', 'c', '-'], {
    input: HEADERS,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return probe.status === 0;
}

/** Every macro of <linux/kvm.h> and what it includes: name -> replacement text. */
export function headerMacros(): Map<string, string> {
  const text = execFileSync('gcc', [...FLAGS, '-dM', '-E', '-x', 'c', '-'], { input: HEADERS, encoding: 'utf8' });
  const lines = text.matchAll(/^#define (\w+)(?:\([^)]*\))? ?(.*)$/gm);
  return new Map(Array.from(lines, ([, name, body]) => [name!, body!]));
}

/** Compiles and runs a program that prints each fact; returns the numbers by key. */
export function askHeader(facts: readonly Fact[], preamble = '', statements = ''): Map<string, bigint> {
  const prints = facts.map(({ key, expression, macro }) => {
    const print = `printf("%s %llu\\n", "${key}", (unsigned long long)(${expression}));`;
    return macro ? `#ifdef ${macro}\n${print}\n#endif` : print;
  });
  const source = `#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\n#include <sys/ioctl.h>\n${HEADERS}${preamble}
int main(void) {\n${prints.join('\n')}\n${statements}\nreturn 0;\n}\n`;
  const directory = mkdtempSync(join(tmpdir(), 'vmlapse-abi-'));
  try {
    const path = join(directory, 'facts.c');
    const program = join(directory, 'facts');
    writeFileSync(path, source);
    execFileSync('gcc', [...FLAGS, '-O0', '-o', program, path], { stdio: ['ignore', 'ignore', 'pipe'] });
    const output = execFileSync(program, { encoding: 'utf8', maxBuffer: 16 << 20 });
    return new Map(
      output
        .trimEnd()
        .split('\n')
        .map((line): [string, bigint] => {
          const gap = line.lastIndexOf(' ');
          return [line.slice(0, gap), BigInt(line.slice(gap + 1))];
        }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}
