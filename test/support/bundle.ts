/** For vitest's globalSetup: the command line is bundled of what is compiled, also when only tsc was run. */
import { join } from 'node:path';
import { bundle } from '../../scripts/bundle.ts';

export default (): Promise<void> => bundle(join(process.cwd(), 'dist'));
