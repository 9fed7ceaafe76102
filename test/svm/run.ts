/**
 * `npm run test:svm [-- FILTER…]`: the compiled tests on a second KVM host, a stock Linux with kvm-amd. The host is a
 * script that runs a command on it: `$SVMHOST`, or ../shared/svmhost.sh next to this checkout.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXCLUDED } from './excluded.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TESTS = join(ROOT, 'dist', 'test');
const TIME_LIMIT_S = Number(process.env.SVMHOST_TIME ?? 900);
const MEMORY_MB = process.env.SVMHOST_MEMORY ?? '2048';

const NEEDS = `test:svm needs a second KVM host: a script that runs a command on it as \`SCRIPT -t SECONDS -m MEGABYTES -- COMMAND\`
and gives back its output and exit status. Name it in $SVMHOST, or put it at ../shared/svmhost.sh.
With a machine of that kind at hand, \`npm test\` on it does the same.`;

function hostScript(): string | undefined {
  const named = process.env.SVMHOST;
  const candidates = named ? [resolve(named)] : [join(ROOT, '..', 'shared', 'svmhost.sh')];
  return candidates.find((path) => existsSync(path));
}

function testFiles(filters: readonly string[]): string[] {
  const all = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.js'));
  const wanted = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  return wanted.filter((file) => !(file in EXCLUDED)).sort();
}

function main(filters: readonly string[]): number {
  const script = hostScript();
  if (!script) {
    console.error(NEEDS);
    console.log('0 passed, 0 failed, 1 skipped');
    return process.env.CI ? 0 : 1;
  }
  const files = testFiles(filters);
  for (const [file, reason] of Object.entries(EXCLUDED)) console.log(`not run ${file}: ${reason}`);
  const inside = [join(TESTS, 'svm', 'inside.js'), ...files.map((file) => join(TESTS, file))];
  const environment = [
    'TEST_TIME_FACTOR=4',
    'TEST_FILE_LIMIT_MS=600000',
    ...(process.env.XDG_CACHE_HOME ? ['XDG_CACHE_HOME'] : []),
  ];
  const command = [
    '-t',
    `${TIME_LIMIT_S}`,
    '-m',
    MEMORY_MB,
    ...environment.flatMap((e) => ['-e', e]),
    '--',
    process.execPath,
    ...inside,
  ];
  const { status } = spawnSync(script, command, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  return status ?? 1;
}

process.exitCode = main(process.argv.slice(2));
