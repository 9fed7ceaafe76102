/** Where the guests are, from the sources as well as from the built output. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above the guest builder');
    folder = parent;
  }
  return folder;
}

/** Folder of the guest sources. */
export const GUESTS_FOLDER = join(packageRoot(), 'guests');

/** Folder of the built guests. */
export const BUILD_FOLDER = join(GUESTS_FOLDER, 'build');
