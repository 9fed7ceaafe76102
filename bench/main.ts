/**
 * Runs the benchmarks: `node dist/bench/main.js [--json] [FILTER]`. FILTER keeps those whose name contains it.
 *
 * Results go to stdout: a table, or with --json one array of {name, ours, floor, ratio, unit, kvm}. Progress and skipped
 * benchmarks go to stderr. Exit status 0 when everything that could run has run, whatever the numbers; 1 when something
 * failed; 2 for a wrong command line.
 */

import { kvmBackend } from '../src/kvm/backend.ts';
import type { Bench } from './bench.ts';
import { Skip } from './bench.ts';
import { HEADING, type Result, toJsonRow, toLine } from './report.ts';
import { BENCHES } from './suites.ts';

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Runs the benches in order, each result handed over as it comes. Returns how many failed. */
async function runAll(benches: readonly Bench[], report: (result: Result) => void): Promise<number> {
  let failed = 0;
  for (const bench of benches) {
    try {
      for (const result of await bench.run()) report(result);
    } catch (error) {
      if (error instanceof Skip) {
        say(`skipped ${bench.name}: ${error.message}`);
        continue;
      }
      failed++;
      say(`failed ${bench.name}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    }
  }
  return failed;
}

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--json');
  const [filter = '', ...rest] = args.filter((arg) => arg !== '--json');
  const chosen = BENCHES.filter((bench) => bench.name.includes(filter));
  if (unknown !== undefined || rest.length > 0 || chosen.length === 0) {
    say(`usage: bench [--json] [FILTER]; benchmarks: ${BENCHES.map((bench) => bench.name).join(', ')}`);
    return 2;
  }
  const kvm = kvmBackend();
  if (args.includes('--json')) {
    const results: Result[] = [];
    const failed = await runAll(chosen, (result) => results.push(result));
    process.stdout.write(
      `${JSON.stringify(
        results.map((result) => toJsonRow(result, kvm)),
        null,
        1,
      )}\n`,
    );
    return failed > 0 ? 1 : 0;
  }
  process.stdout.write(`KVM: ${kvm}, Node ${process.versions.node}; medians of alternating rounds\n${HEADING}\n`);
  const colour = process.stdout.isTTY === true;
  const failed = await runAll(chosen, (result) => process.stdout.write(`${toLine(result, colour)}\n`));
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
