/** `vmlapse verify`: checks a whole store. */
import type { Command } from 'commander';
import type { VerifyReport } from '../../../snapshot/store/history/verify.ts';
import { EXIT } from '../exit-status.ts';
import { counted, printable } from '../store/format.ts';
import { addStoreOptions, openToRead, print, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse verify
  vmlapse verify --store lab --json | jq '.problems[].message'

Every digest, frame and page that can be reached is checked. The exit status is 1 when something is wrong.`;

/** Adds the command. */
export function addVerify(program: Command): void {
  addStoreOptions(program.command('verify').description('check every digest, frame and page of a store'))
    .addHelpText('after', EXAMPLES)
    .action((options: StoreCommandOptions) => {
      using store = openToRead(options);
      const report = store.verify();
      print(options, report, () => render(report));
      if (report.problems.length > 0) process.exitCode = EXIT.FAILURE;
    });
}

function render({ problems, ...checked }: VerifyReport): string {
  const sums = Object.entries(checked).map(([what, count]) => counted(count, what.replace(/s$/, '')));
  const found = problems.length === 0 ? 'nothing is wrong' : `${counted(problems.length, 'problem')}`;
  const lines = problems.map(({ digest, code, message }) => `${code}  ${digest}  ${printable(message)}\n`);
  return `${lines.join('')}${found}; checked ${sums.join(', ')}\n`;
}
