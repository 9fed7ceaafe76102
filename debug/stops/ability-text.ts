/** What of a debugger's wishes works on this host, in words. */
import type { DebugAbilities, RingAbilities } from './abilities.ts';

const KINDS = [
  ['real', 'real mode'],
  ['kernel', 'ring 0'],
  ['user', 'ring 3'],
] as const;

const BYTES = {
  debug: 'yes',
  failure: 'yes',
  in: 'yes, but where DX holds a port of the in-kernel chips',
} as const;

type Row = readonly [what: string, works: (ring: RingAbilities) => string];

const yes = (works: boolean) => (works ? 'yes' : 'no');

const ROWS: readonly Row[] = [
  ['single steps', ({ step }) => yes(step)],
  ['breakpoints in memory', ({ software }) => (software ? BYTES[software] : 'no')],
  ['hardware breakpoints', ({ hardware }) => yes(hardware.execute)],
  ['hardware watchpoints', ({ hardware }) => yes(hardware.write && hardware.access)],
];

/** A line for each wish: what it is, and how far it is met, by the kind of code where these differ. */
export function abilityLines(abilities: DebugAbilities): (readonly [what: string, how: string])[] {
  return ROWS.map(([what, works]) => {
    const answers = KINDS.map(([kind, name]) => [name, works(abilities[kind])] as const);
    const [[, first]] = answers as [readonly [string, string]];
    const isSame = answers.every(([, how]) => how === first);
    return [what, isSame ? first : answers.map(([name, how]) => `${name} ${how}`).join('; ')];
  });
}
