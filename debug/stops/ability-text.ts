/** What of a debugger's wishes works on this host, in words. */
import type { DebugAbilities, RingAbilities } from './abilities.ts';

const RINGS = [
  ['kernel', 'ring 0'],
  ['user', 'ring 3'],
] as const;

const BYTES = {
  debug: 'yes',
  failure: 'yes',
  in: 'yes, but not where DX holds a port of the in-kernel chips',
} as const;

type Row = readonly [what: string, works: (ring: RingAbilities) => string];

const yes = (works: boolean) => (works ? 'yes' : 'no');

const ROWS: readonly Row[] = [
  ['single steps', ({ step }) => yes(step)],
  ['breakpoints in memory', ({ software }) => (software ? BYTES[software] : 'no')],
  ['hardware breakpoints', ({ hardware }) => yes(hardware.execute)],
  ['hardware watchpoints', ({ hardware }) => yes(hardware.write && hardware.access)],
];

/** A line for each wish: what it is, and how far it is met, by ring where these differ. */
export function abilityLines(abilities: DebugAbilities): (readonly [what: string, how: string])[] {
  return ROWS.map(([what, works]) => {
    const answers = RINGS.map(([ring, name]) => [name, works(abilities[ring])] as const);
    const [[, first], [, second]] = answers as [readonly [string, string], readonly [string, string]];
    return [what, first === second ? first : answers.map(([name, how]) => `${name} ${how}`).join(', ')];
  });
}
