/** Running the compiler driver, which runs assembler and linker. */
import { execFile } from 'node:child_process';
import { VmlapseError } from '../../src/errors.ts';
import { GUESTS_FOLDER } from './paths.ts';

const COMPILER = 'gcc';
const CURE = 'install gcc and binutils for x86-64 (Debian, Ubuntu: apt-get install gcc binutils)';

/**
 * Runs gcc in the guests' folder (so that no message and no __FILE__ depends on where that is); resolves to its standard
 * output, warnings go to `onWarning`. Rejects with the compiler's own words.
 */
export function runCompiler(args: readonly string[], onWarning: (text: string) => void = () => {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(COMPILER, args, { cwd: GUESTS_FOLDER, encoding: 'utf8', maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error === null) {
        if (stderr) onWarning(stderr);
        resolve(stdout);
      } else if (error.code === 'ENOENT') {
        reject(new VmlapseError('NO_COMPILER', `${COMPILER}: not found; guests are built from source: ${CURE}`));
      } else {
        const detail = { command: [COMPILER, ...args].join(' '), stderr };
        reject(new VmlapseError('GUEST_BUILD', `${detail.command}\n${stderr || error.message}`, detail));
      }
    });
  });
}

/** Names the compiler and linker in use, versions included. Part of every cache key. */
export async function toolchainVersion(): Promise<string> {
  const versions = await Promise.all([runCompiler(['--version']), runCompiler(['-Wl,--version'])]);
  return versions.join('');
}
