/** `npm run build`, second half: brings guests/build/ up to date. */
import { VmlapseError } from '../src/errors.ts';
import { buildGuests } from './builder/build.ts';
import { BUILD_FOLDER } from './builder/paths.ts';
import { GUESTS } from './list.ts';

const { platform, arch } = process;

async function build(): Promise<void> {
  const { built, fresh, warnings } = await buildGuests(GUESTS, BUILD_FOLDER);
  for (const warning of warnings) console.error(warning);
  if (built.length > 0) console.error(`guests: built ${built.length}, ${fresh.length} up to date`);
}

try {
  // What looks at stores, traces and recordings can be built anywhere.
  if (platform === 'linux' && arch === 'x64') await build();
  else console.error(`guests: not built: that takes gcc of Linux on x86-64, and this is ${platform} on ${arch}`);
} catch (error) {
  if (!(error instanceof VmlapseError)) throw error;
  console.error(`guests: ${error.message}`);
  process.exitCode = 1;
}
