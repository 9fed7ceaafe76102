/** `vmlapse verify`: checks a whole store. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { registrySource } from '../../../snapshot/registry/source.ts';
import { type BlobSource, storeSource } from '../../../snapshot/store/history/repair.ts';
import type { VerifyReport } from '../../../snapshot/store/history/verify.ts';
import { UsageError } from '../../../src/errors.ts';
import { short } from '../attend/recorder.ts';
import { EXIT } from '../exit-status.ts';
import { counted, printable } from '../store/format.ts';
import { addStoreOptions, openToRead, openToWrite, print, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse verify
  vmlapse verify --store lab --json | jq '.problems[].message'
  vmlapse verify --store lab --repair
  vmlapse verify --store lab --repair --from /backup/lab
  vmlapse verify --store lab --repair --from localhost:5000/lab/kernel:before-login

Every digest, frame and page that can be reached is checked. The exit status is 1 when something is wrong. --repair makes
a lost index.json anew from what is there; with --from, what is damaged or missing is fetched again, and checked first.
A registry that wants a password is read by \`vmlapse pull\`, which fetches what is damaged as well.`;

interface VerifyOptions extends StoreCommandOptions {
  readonly repair?: boolean;
  readonly from?: string;
  readonly plainHttp?: boolean;
}

/** Adds the command. */
export function addVerify(program: Command): void {
  addStoreOptions(program.command('verify').description('check every digest, frame and page of a store'))
    .option('--repair', 'put right what can be put right')
    .option('--from <source>', 'another store, or HOST[:PORT]/REPOSITORY, to fetch damaged files from; with --repair')
    .option('--plain-http', 'talk http to a registry on another machine; loopback is http by itself')
    .addHelpText('after', EXAMPLES)
    .action(verify);
}

async function verify(options: VerifyOptions): Promise<void> {
  const { repair = false, from } = options;
  if (from !== undefined && !repair) throw new UsageError('--from says where to repair from: add --repair');
  using store = repair ? openToWrite(options, { repair }) : openToRead(options);
  const { fetched, missing } =
    from === undefined ? { fetched: [], missing: [] } : await store.fetchAgain(sourceOf(from, options));
  const report = store.verify();
  const done = [
    ...store.repaired,
    ...fetched.map((digest) => `fetched again: ${digest}`),
    ...missing.map(({ why }) => `not fetched: ${why}`),
  ];
  const data = repair ? { ...report, repaired: store.repaired, fetched, missing } : report;
  print(options, data, () => done.map((line) => `${printable(line)}\n`).join('') + render(report));
  if (report.problems.length > 0) process.exitCode = EXIT.FAILURE;
}

const sourceOf = (from: string, { plainHttp = false }: VerifyOptions): BlobSource =>
  existsSync(from) ? storeSource(from) : registrySource(from, { plainHttp });

function render({ problems, lost, ...checked }: VerifyReport): string {
  const sums = Object.entries(checked).map(([what, count]) => counted(count, what.replace(/s$/, '')));
  const found = problems.length === 0 ? 'nothing is wrong' : counted(problems.length, 'problem');
  const lines = [
    ...problems.map(({ code, message }) => `${code}  ${printable(message)}`),
    ...lost.map(({ digest, tags }) => {
      const names = tags.length > 0 ? `  (${printable(tags.join(', '))})` : '';
      return `cannot be restored: ${short(digest)}${names}`;
    }),
    `${found}; checked ${sums.join(', ')}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}
