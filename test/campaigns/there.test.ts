import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { Tally } from './campaign.ts';
import { runThere } from './there.ts';

/** Runs cases 7 to 9 on a host that is this shell script, whose `$count` and `$cases` are what the program is given. */
async function onHost(code: string) {
  using directory = temporaryDirectory();
  const script = join(directory.path, 'host.sh');
  writeFileSync(script, `#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\ncount=$4 cases=$5\n${code}\n`);
  chmodSync(script, 0o755);
  const campaign = { name: 'points', count: 3, seed: 5, first: 7 };
  const tally = new Tally(campaign);
  await runThere(campaign, script, { program: 'points.js', seconds: () => 60 }, tally);
  return tally.count;
}

it('counts what a second host has counted', async () => {
  expect(await onHost('[ "$count $cases" = "3 5:7" ] && echo "2 passed, 0 failed, 1 skipped"')).toEqual({
    passed: 2,
    failed: 0,
    skipped: 1,
  });
});

it('counts what was over when a second host ended, one that has failed, and the rest as not begun', async () => {
  expect(await onHost('echo "ok 5:7 (1 passed, 0 failed, 0 skipped, 0.1 s)"; exit 125')).toEqual({
    passed: 1,
    failed: 1,
    skipped: 1,
  });
});
