/** The traces of the lessons that come with vmlapse are what the programs do today. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { happenings, RECORDED, record, traceOf } from '../../scripts/lesson-traces.ts';
import { kvmBackend } from '../../src/kvm/backend.ts';
import { headerOf } from '../../tools/trace/check.ts';
import { describeKvm } from '../support/kvm.ts';
import { blockOf, normalised, textOf } from './pages.ts';

const shipped = (name: string) => readFileSync(traceOf(name), 'utf8');

describe('the traces of the lessons', () => {
  it('are those of lessons 1 to 5', () => {
    expect(RECORDED.map((name) => name.slice(0, 2))).toEqual(['01', '02', '03', '04', '05']);
  });

  it.each(RECORDED)('%s prints what the page shows', (name) => {
    const printed = [...shipped(name).matchAll(/"text":("prints: .*")\}$/gm)].map(([, text]) =>
      JSON.parse(text!).slice(8),
    );
    const compared = name === '01-open' ? normalised : (text: string) => text.trim();
    expect(compared(`${printed.join('\n')}\n`)).toBe(compared(blockOf(textOf(`docs/lessons/${name}.md`), '')));
  });
});

describeKvm('a lesson', () => {
  it.each(RECORDED)('%s does what its trace shows (else: npm run lessons)', (name) => {
    const [fresh, kept] = [record(name), shipped(name)].map(happenings) as [string[], string[]];
    const header = headerOf(shipped(name).split('\n')[0]!);
    if (typeof header === 'object' && header.kvm === kvmBackend()) expect(fresh).toEqual(kept);
    // Kinds of KVM differ in what they can do, so in what is asked of them.
    else expect(fresh.filter((what) => what === 'prints')).toEqual(kept.filter((what) => what === 'prints'));
  });
});
