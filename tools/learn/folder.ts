/** The learner's folder: where it is, the link by which its programs find this package, and what an editor needs. */
import { existsSync, lstatSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../../src/errors.ts';
import { makeFolder } from '../../src/files/make-folder.ts';
import { packageFolder } from './course.ts';
import { withHostErrors } from './host-errors.ts';
import { isThere } from './put.ts';
import { STATE_FILE } from './state.ts';

/** Where exercises go, below the current folder, if nothing else is said. */
export const DEFAULT_FOLDER = 'vmlapse-learn';

/** The folder to begin in: that which is given, or the one that is there already, or {@link DEFAULT_FOLDER}. */
export const folderToBegin = (given: string | undefined): string =>
  given === undefined ? (folderThatIs() ?? resolve(DEFAULT_FOLDER)) : resolve(given);

/** Whether a file is there, and of this user. */
const isOurs = (path: string): boolean => existsSync(path) && statSync(path).uid === process.getuid?.();

/**
 * The folder with a state: the current one, one above it, or {@link DEFAULT_FOLDER} below it. One above has to be this user's:
 * anybody can put one into /tmp, and its programs are run.
 */
export function folderThatIs(given?: string): string | undefined {
  if (given !== undefined) return resolve(given);
  const here = process.cwd();
  for (let folder = here; ; folder = dirname(folder)) {
    const state = join(folder, STATE_FILE);
    if (folder === here ? existsSync(state) : isOurs(state)) return folder;
    if (folder === dirname(folder)) break;
  }
  const below = join(here, DEFAULT_FOLDER);
  return existsSync(join(below, STATE_FILE)) ? below : undefined;
}

/** The same, where there must be one. Throws UsageError. */
export function folderNeeded(given?: string): string {
  const folder = folderThatIs(given);
  if (folder) return folder;
  throw new UsageError('there are no exercises here — begin one: vmlapse learn start 1, or give its folder: --dir DIR');
}

/** What an editor and tsc are told: to check JavaScript, too, and to be no stricter than one is with a program of a page. */
const COMPILER_OPTIONS = {
  ...{ module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable'], noEmit: true, skipLibCheck: true },
  ...{ allowJs: true, checkJs: true, strict: false, allowImportingTsExtensions: true },
};

const FILES: Readonly<Record<string, string>> = {
  'package.json': `${JSON.stringify({ private: true, type: 'module' }, undefined, 2)}\n`,
  'tsconfig.json': `${JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['*.js', '*.ts'] }, undefined, 2)}\n`,
};

/** Makes the folder ready for exercises. Files that are there stay as they are. */
export function prepare(folder: string): void {
  makeFolder(folder);
  for (const [name, text] of Object.entries(FILES))
    if (!isThere(join(folder, name))) writeFileSync(join(folder, name), text);
  linkPackage(folder);
}

/** `import … from 'vmlapse'` finds this very package: by itself, or by a link in node_modules, which is put right here. */
export function linkPackage(folder: string): void {
  if (resolved(folder) === realpathSync(join(packageFolder(), 'dist', 'index.js'))) return;
  const link = join(folder, 'node_modules', 'vmlapse');
  if (isThere(link) && !lstatSync(link).isSymbolicLink())
    throw new UsageError(
      `${link} is another version of vmlapse than the one that checks — run that one: npx vmlapse learn`,
    );
  withHostErrors(() => {
    makeFolder(dirname(link));
    rmSync(link, { force: true });
    symlinkSync(packageFolder(), link);
  });
}

function resolved(folder: string): string | undefined {
  try {
    return realpathSync(createRequire(join(folder, 'program.js')).resolve('vmlapse'));
  } catch {
    return undefined;
  }
}
