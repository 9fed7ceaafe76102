/**
 * `npm run test:svm [-- FILTER…]`: the compiled tests on a second KVM host, a stock Linux with kvm-amd. The host is a
 * script that runs a command on it: `$SVMHOST`, or ../shared/svmhost.sh next to this checkout. As many hosts are started
 * as there are processors for them, and share the files.
 */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GUESTS } from '../real/guests.ts';
import { isLinuxPackage, linuxElf } from '../real/linux.ts';
import { PackageUnavailable, packageTree } from '../real/packages.ts';
import { EMULATED_TIME_FACTOR, TIME_FACTOR } from '../support/time.ts';
import { countLine, sumOf } from './counts.ts';
import { EXCLUDED, reasonToExclude } from './excluded.ts';
import { ALIVE_MS, type HostRun, runOnHost, STANDSTILL_MS, START_MS } from './host.ts';
import { filesOfTurn, share } from './share.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
process.chdir(ROOT);
const TESTS = join(ROOT, 'dist', 'test');
const TIME_LIMIT_S = process.env.SVMHOST_TIME ?? String(Math.ceil(1700 * TIME_FACTOR));
const MEMORY_MB = process.env.SVMHOST_MEMORY ?? '2048';
const HOSTS = Number(process.env.SVMHOST_JOBS ?? Math.min(2, availableParallelism()));

const NEEDS = `test:svm needs a second KVM host: a script that runs a command on it as \`SCRIPT -t SECONDS -m MEGABYTES -- COMMAND\`
and gives back its output and exit status. Name it in $SVMHOST, or put it at ../shared/svmhost.sh.
With a machine of that kind at hand, \`npm test\` on it does the same.`;

/** A test that says nothing for so long is ended. */
const SILENCE_LIMIT_MS = 75_000 * EMULATED_TIME_FACTOR;

/** What every file is run with: times stretched to the speed of an emulated processor, the cache of packages, and whether the long forms are wanted. */
const ENVIRONMENT = [
  `TEST_TIME_FACTOR=${EMULATED_TIME_FACTOR}`,
  'TEST_SLOW_HOST=1',
  `TEST_SILENCE_LIMIT_MS=${SILENCE_LIMIT_MS}`,
  `TEST_ALIVE_MS=${ALIVE_MS}`,
  ...['XDG_CACHE_HOME', 'VMLAPSE_LONG'].filter((name) => process.env[name]),
];

function hostScript(): string | undefined {
  const named = process.env.SVMHOST;
  const candidates = named ? [resolve(named)] : [join(ROOT, '..', 'shared', 'svmhost.sh')];
  return candidates.find((path) => existsSync(path));
}

function testFiles(filters: readonly string[]): string[] {
  const all = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.js'));
  const wanted = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  // Named in full, a file runs whatever the list says.
  return wanted.filter((file) => filters.includes(file) || !reasonToExclude(file)).sort();
}

/** The second host has no network, and is slow: what its tests need from packages is fetched and unpacked here. */
function fetchPackages(): void {
  for (const name of new Set(GUESTS.flatMap((guest) => guest.packages))) {
    try {
      packageTree(name);
      if (isLinuxPackage(name)) linuxElf(name);
    } catch (error) {
      if (!(error instanceof PackageUnavailable)) throw error;
      console.log(`${name}: ${error.message}`);
    }
  }
}

/** What runs files on a host of their own. */
function hostRun(script: string, files: readonly string[]): HostRun {
  const options = ['-t', TIME_LIMIT_S, '-m', MEMORY_MB, ...ENVIRONMENT.flatMap((variable) => ['-e', variable])];
  const command = [...options, '--', process.execPath, join(TESTS, 'svm', 'inside.js')];
  return {
    files: files.map((file) => join('dist', 'test', file)),
    script,
    args: (left) => [...command, ...left.map((file) => join(ROOT, file))],
    silenceMs: STANDSTILL_MS,
    startMs: START_MS,
    say: console.log,
  };
}

async function main(filters: readonly string[]): Promise<number> {
  const script = hostScript();
  if (!script) {
    console.error(NEEDS);
    console.log(countLine({ passed: 0, failed: 0, skipped: 1 }));
    return process.env.CI ? 0 : 1;
  }
  for (const [file, reason] of Object.entries(EXCLUDED)) console.log(`not run there: ${file} (${reason})`);
  fetchPackages();
  const { taken, left } = filesOfTurn(testFiles(filters));
  for (const file of left) console.log(`not today: ${file} (the longest files take turns, a third of them on a day)`);
  const shares = share(taken, HOSTS);
  const all = await Promise.all(shares.map((files) => runOnHost(hostRun(script, files))));
  const total = sumOf([...all, { passed: 0, failed: 0, skipped: left.length }]);
  console.log(countLine(total));
  return total.failed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
