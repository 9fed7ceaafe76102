/** Commands that change, check or export the checkpoints of a store. */
import { existsSync } from 'node:fs';
import { RamCache } from '../../../snapshot/cache/ram-cache.ts';
import { exportElf, exportRaw } from '../../../snapshot/export/export.ts';
import { exportDisk } from '../../../snapshot/export/export-disk.ts';
import { registrySource } from '../../../snapshot/registry/source.ts';
import { type NotFetched, storeSource } from '../../../snapshot/store/history/repair.ts';
import type { VerifyReport } from '../../../snapshot/store/history/verify.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { UsageError } from '../../../src/errors.ts';
import type { CommandRow } from '../command.ts';
import { columns, print } from '../output.ts';
import { parseCount, parseDiskPlace, parseOutputFile } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { EXIT } from '../run-end.ts';
import { byteText, counted, printable, short, timeText } from '../store/format.ts';
import { entryText } from '../store/log-text.ts';
import { openToRead, openToWrite, REF_HELP, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';
import { paintFor } from '../store/paint.ts';
import { TRANSFER_OPTIONS, type TransferOptions, transfer } from './registry.ts';

interface VerifyOptions extends StoreCommandOptions, TransferOptions {
  readonly repair?: boolean;
  readonly from?: string;
}

/** See the file's header. */
export const STORE_COMMANDS: readonly CommandRow[] = [
  {
    name: 'verify',
    about: 'check every digest, frame and page of a store',
    options: [
      ...STORE_OPTIONS,
      ['--repair', 'repair what can be repaired'],
      ['--from <source>', 'another store, or HOST[:PORT]/REPOSITORY, to fetch damaged files from; with --repair'],
      ...TRANSFER_OPTIONS,
    ],
    help: `Examples:
  vmlapse verify
  vmlapse verify --store lab --json | jq '.problems[].message'
  vmlapse verify --store lab --repair
  vmlapse verify --store lab --repair --from /backup/lab
  vmlapse verify --store lab --repair --from localhost:5000/lab/kernel:before-login
  vmlapse verify --repair --from registry.example/lab --username ci --password-stdin < password.txt

Every digest, frame and page that can be reached is checked. The exit status is 1 when something is wrong. --repair makes
a lost index.json anew from what is there; with --from, what is damaged or missing is fetched again, and checked first.`,
    run: verify,
  },
  {
    name: 'tag',
    about: 'list the names of checkpoints, give one, or take one away; a name that is taken moves',
    arguments: { '[ref]': `${REF_HELP}; with -d: the name to take away`, '[name]': 'the name' },
    options: [...STORE_OPTIONS, ['-d, --delete', 'take the name away; the checkpoint stays']],
    help: `Examples:
  vmlapse tag                               lists the names there are
  vmlapse tag latest before-login
  vmlapse tag latest~3 good --store lab
  vmlapse tag -d before-login`,
    run: tag,
  },
  {
    name: 'rm',
    about: 'remove a checkpoint under all its names',
    arguments: { '<ref>': REF_HELP },
    options: STORE_OPTIONS,
    help: `Examples:
  vmlapse rm latest
  vmlapse rm before-login --store lab && vmlapse gc --store lab

The checkpoints before and after it stay whole. \`vmlapse gc\` frees the disk space.`,
    run(ref: string, options: StoreCommandOptions) {
      using store = openToWrite(options);
      const removed = store.remove(ref);
      print(options, { removed }, () => `removed ${short(removed)}\n`);
    },
  },
  {
    name: 'squash',
    about: 'make a copy of a checkpoint that needs no other',
    arguments: { '<ref>': REF_HELP },
    options: [...STORE_OPTIONS, ['--tag <name>', 'the name of the new one'], PROGRESS_OPTION],
    help: `Examples:
  vmlapse squash latest --tag release
  vmlapse squash latest --tag small && vmlapse push small localhost:5000/lab:small

The new checkpoint has the same content, no parent, and one layer. The old one stays.`,
    run(ref: string, options: StoreCommandOptions & ProgressOptions & { readonly tag?: string }) {
      using store = openToWrite(options);
      const from = store.resolve(ref);
      using progress = startProgress('squashing', options);
      const { digest, stats } = store.squash(from, options.tag === undefined ? [] : [options.tag], progress.update);
      progress[Symbol.dispose]();
      const { pages = 0, bytes = 0 } = stats;
      const text = () => `${short(digest)}: ${counted(pages, 'page')}, ${byteText(bytes)}\n`;
      print(options, { digest, from, stats }, text);
    },
  },
  {
    name: 'gc',
    about: 'remove every file of a store that no checkpoint needs',
    options: [
      ...STORE_OPTIONS,
      ['--keep <n>', 'also remove checkpoints older than N generations before each branch end and tag', parseCount],
      ['--dry-run', 'only print what would be removed'],
    ],
    help: `Examples:
  vmlapse gc
  vmlapse gc --store lab --keep 100 --dry-run
  vmlapse gc --store lab --keep 100`,
    run: gc,
  },
  {
    name: 'export',
    about: 'write a checkpoint as an ELF core for debuggers, or its RAM or a disk as a raw image',
    arguments: { '<ref>': REF_HELP },
    options: [
      ...STORE_OPTIONS,
      ['--elf <file>', 'write an ELF core', parseOutputFile],
      ['--raw <file>', 'write bare RAM', parseOutputFile],
      ['--disk <n=file>', 'write disk N as a raw image; may be repeated', parseDiskPlace],
      ['--image <n=file>', 'where the image that disk N rests on is now; may be repeated', parseDiskPlace],
      PROGRESS_OPTION,
    ],
    help: `Examples:
  vmlapse export latest --elf core && gdb guests/build/kernel.elf core
  vmlapse export before-login --raw ram.img --store lab
  vmlapse export latest --disk 0=disk-as-it-was.img

In the core, each vCPU is a thread, and memory is at the addresses that vCPU 0 uses: by its page tables where it has
paging on, else guest-physical. In the raw image, the offset in the file is the guest-physical address. Zero pages are
holes in both files.`,
    run: exportCheckpoint,
  },
];

async function verify(options: VerifyOptions): Promise<void> {
  const { repair = false, from } = options;
  if (from !== undefined && !repair) throw new UsageError('--from says where to repair from: add --repair');
  const forRegistry = [options.plainHttp, options.username, options.passwordStdin, options.tokenStdin];
  const registry = from !== undefined && !existsSync(from);
  if (!registry && forRegistry.some((given) => given !== undefined))
    throw new UsageError('--plain-http, --username, --password-stdin and --token-stdin need --from HOST/REPOSITORY');
  using store = repair ? openToWrite(options, { repair }) : openToRead(options);
  const fetchAgain = () => {
    if (from === undefined) return { fetched: [], missing: [] };
    if (!registry) return store.fetchAgain(storeSource(from));
    return transfer(options, (how) => store.fetchAgain(registrySource(from, how)));
  };
  const { fetched, missing } = await fetchAgain();
  const report = store.verify();
  const done = [...store.repaired, ...fetched.map((digest) => `fetched again: ${digest}`), ...notFetched(missing)];
  const data = repair ? { ...report, repaired: store.repaired, fetched, missing } : report;
  print(options, data, () => done.map((line) => `${printable(line)}\n`).join('') + verifyText(report));
  if (report.problems.length > 0) process.exitCode = EXIT.FAILURE;
}

/** A line for each reason. */
function notFetched(missing: readonly NotFetched[]): string[] {
  const counts = new Map<string, number>();
  for (const { why } of missing) counts.set(why, (counts.get(why) ?? 0) + 1);
  return [...counts].map(([why, count]) => `not fetched${count === 1 ? '' : ` (${counted(count, 'file')})`}: ${why}`);
}

function verifyText({ problems, lost, ...checked }: VerifyReport): string {
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

function tag(
  ref: string | undefined,
  name: string | undefined,
  options: StoreCommandOptions & { readonly delete?: boolean },
): void {
  if (ref === undefined && !options.delete) {
    listTags(options);
    return;
  }
  if (ref === undefined || (options.delete === true) === (name !== undefined))
    throw new UsageError(
      options.delete ? 'tag -d takes one name and nothing else' : 'give the checkpoint and its name',
    );
  using store = openToWrite(options);
  if (name === undefined) {
    const was = store.index().heads.find((head) => head.tag === ref)?.digest;
    store.untag(ref);
    const of = was ? ` of ${short(was)}` : '';
    print(options, { removed: ref }, () => `removed the name ${printable(ref)}${of}; the checkpoint stays\n`);
    return;
  }
  const digest = store.resolve(ref);
  store.tag(digest, name);
  print(options, { digest, tag: name }, () => `${name} is ${short(digest)}\n`);
}

function listTags(options: StoreCommandOptions): void {
  using store = openToRead(options);
  const named = store
    .log()
    .flatMap(({ tags, digest, time, label = '' }) =>
      tags.map((tag) => ({ data: { tag, digest }, row: [tag, short(digest), timeText(time), printable(label)] })),
    );
  const none = 'no checkpoint has a name: vmlapse tag REF NAME gives one\n';
  const data = named.map((entry) => entry.data);
  print(options, data, () => (named.length === 0 ? none : columns(named.map(({ row }) => row))));
}

/** Removes restored memory of checkpoints that are no longer in the store. Returns the bytes. */
function pruneCache(store: Store): number {
  const cache = new RamCache({ origin: store.directory });
  return cache.isEmpty ? 0 : cache.prune(new Set(store.log().map(({ digest }) => digest)));
}

function gc(options: StoreCommandOptions & { readonly keep?: number; readonly dryRun?: boolean }): void {
  const { keep, dryRun = false } = options;
  using store = dryRun ? openToRead(options) : openToWrite(options);
  const entries = keep === undefined ? [] : store.log();
  const report = store.gc({ dryRun, ...(keep !== undefined && { keep }) });
  const cachedBytes = dryRun ? 0 : pruneCache(store);
  print(options, { ...report, cachedBytes }, () => {
    const { checkpoints, removed, removedBlobs, removedBytes } = report;
    const gone = new Set(removed);
    const verb = dryRun ? 'would remove' : 'removed';
    const paint = paintFor();
    return [
      ...entries.filter(({ digest }) => gone.has(digest)).map((entry) => `${verb} ${entryText(entry, paint)}\n`),
      `${verb} ${counted(removedBlobs, 'file')}, ${byteText(removedBytes)}; `,
      `${counted(checkpoints, 'checkpoint')} left\n`,
      cachedBytes > 0 ? `${verb} ${byteText(cachedBytes)} of memory in the cache\n` : '',
    ].join('');
  });
}

/** The files that `export` writes. */
interface ExportFiles {
  readonly elf?: string;
  readonly raw?: string;
  readonly disk?: ReadonlyMap<number, string>;
  readonly image?: ReadonlyMap<number, string>;
}

function exportCheckpoint(ref: string, options: StoreCommandOptions & ProgressOptions & ExportFiles): void {
  const { elf, raw, disk: disks = new Map<number, string>(), image: images } = options;
  if (elf === undefined && raw === undefined && disks.size === 0)
    throw new UsageError('no file to write: give --elf FILE, --raw FILE or --disk N=FILE');
  using store = openToRead(options);
  using checkpoint = store.open(ref);
  const write = (how: typeof exportElf, path: string | undefined) => {
    if (path === undefined) return [];
    using progress = startProgress('exporting', options);
    return [how(checkpoint, path, progress.update)];
  };
  const diskFiles = [...disks].flatMap(([index, path]) => {
    const image = images?.get(index);
    return write(
      (from, to, onProgress) =>
        exportDisk(from, index, to, { ...(image !== undefined && { image }), ...(onProgress && { onProgress }) }),
      path,
    );
  });
  const files = [...write(exportElf, elf), ...write(exportRaw, raw), ...diskFiles];
  print(options, { digest: checkpoint.digest, files }, () =>
    files
      .flatMap(({ path, bytes, dataBytes, remarks }) => [
        `${path}: ${byteText(bytes)}, ${byteText(dataBytes)} of it data\n`,
        ...remarks.map((remark) => `  ${remark}\n`),
      ])
      .join(''),
  );
}
