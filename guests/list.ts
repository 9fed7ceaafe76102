/** All guests, in reading order, and where their built files are. */

import { join } from 'node:path';
import { checkArguments } from '../src/arguments.ts';
import { UsageError } from '../src/errors.ts';
import { TEXT } from '../src/options.ts';
import { BUILD_FOLDER } from './builder/paths.ts';
import { BOOT } from './catalog/boot.ts';
import { DEVICES } from './catalog/devices.ts';
import { FAULTS } from './catalog/faults.ts';
import { HELLO } from './catalog/hello.ts';
import { KERNEL } from './catalog/kernel.ts';
import { WRITERS } from './catalog/writers.ts';
import type { Guest } from './guest.ts';

export type { Ending, Expectation, Guest, GuestOptions } from './guest.ts';
export { exitStatus } from './guest.ts';

/** Every guest. Names are unique. */
export const GUESTS: readonly Guest[] = [...HELLO, ...BOOT, ...KERNEL, ...DEVICES, ...WRITERS, ...FAULTS];

/** The guest of that name; UsageError, naming the near ones, if there is none. */
export function guestNamed(name: string): Guest {
  checkArguments('guestNamed', [name, TEXT]);
  const found = GUESTS.find((guest) => guest.name === name);
  if (found) return found;
  const near = GUESTS.map((guest) => guest.name).filter((other) => other.startsWith(name.slice(0, 3)));
  throw new UsageError(`no guest is named ${name}${near.length ? `; there are ${near.join(', ')}` : ''}`);
}

/** The disks that a machine must have for a guest: the file itself, where that is one. */
export const guestDisks = ({ name, format }: Guest): { readonly path: string }[] =>
  format === 'disk' ? [{ path: guestPath(name) }] : [];

/** Path of a built guest. The file is there after `npm run build`. */
export function guestPath(name: string): string {
  checkArguments('guestPath', [name, TEXT]);
  return join(BUILD_FOLDER, guestNamed(name).file);
}
