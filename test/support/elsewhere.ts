/** Node as on a Mac, as far as that can be had here: it says so, and there is no C library of Linux. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOOK = `
import { Module } from 'node:module';
Object.defineProperty(process, 'platform', { value: 'darwin' });
Object.defineProperty(process, 'arch', { value: 'arm64' });
const load = Module._load;
Module._load = function (name, ...rest) {
  if (name === 'koffi') throw new Error('there is no koffi here');
  return load.call(this, name, ...rest);
};
`;

/** Arguments of Node that make it one; they need a file in this folder. */
export function asMac(folder: string): readonly string[] {
  const file = join(folder, 'mac.mjs');
  writeFileSync(file, HOOK);
  return ['--import', file];
}
