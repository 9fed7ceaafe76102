/** What a guest of the list is to show on this host, and how a run of it differs from that. */
import type { Ending, Expectation, Guest } from '../../guests/guest.ts';
import type { RunReason } from '../../src/runner/result.ts';
import { isPvm } from './kvm.ts';

/** How a run ends that has come to the end of its guest. */
export const REASONS: { readonly [Kind in Ending['kind']]: RunReason } = {
  exit: 'exit-port',
  halted: 'halted',
  shutdown: 'shutdown',
  reset: 'reset',
  poweroff: 'poweroff',
  'emulation-failure': 'internal-error',
  endless: 'interrupted',
};

/** What a run showed. */
export interface Shown {
  readonly reason: RunReason | 'stop';
  readonly value?: number;
  readonly serial: string;
  /** Lines of the text screen in the end, where they were read. */
  readonly screen?: readonly string[];
}

/** A guest that repeats one line. Tests let it repeat fewer lines than the list has. */
const REPEATED = 'rep-outs';

export const expectedHere = ({ expect }: Guest): Expectation =>
  isPvm && expect.onEmulatedRing0 ? { ...expect, ...expect.onEmulatedRing0 } : expect;

/** What is not as the guest's row in the list has it, in words; undefined where all is. */
export function unexpected(guest: Guest, { reason, value, serial, screen }: Shown): string | undefined {
  const { ending, stdout, screen: lines = [] } = expectedHere(guest);
  if (reason !== REASONS[ending.kind] || (ending.kind === 'exit' && value !== ending.code))
    return `it ended with ${reason} ${value}, not as the list has it: ${JSON.stringify(ending)}`;
  const isRight =
    typeof stdout !== 'string'
      ? stdout.test(serial)
      : guest.name === REPEATED
        ? serial !== '' && stdout.startsWith(serial)
        : serial === stdout;
  if (!isRight) return `it said ${JSON.stringify(serial.slice(-300))}, the list has ${String(stdout).slice(-300)}`;
  if (screen && screen.join('\n') !== lines.join('\n'))
    return `its screen shows ${JSON.stringify(screen)}, the list has ${JSON.stringify(lines)}`;
  return undefined;
}
