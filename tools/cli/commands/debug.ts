/** `vmlapse debug`: gdb, already connected to a guest, with the guest's symbols. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import { describedMachine } from '../../../snapshot/machine-description.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { HostError, UsageError } from '../../../src/errors.ts';
import { isMachineName } from '../../control/runtime-folder.ts';
import { gdbAddress, type ListenAddress } from '../../gdb/address.ts';
import type { CommandRow } from '../command.ts';
import { parseMemory } from '../parse.ts';
import { SIGNAL_STATUS } from '../run-end.ts';
import { restoreForDebugger } from '../session/debug-checkpoint.ts';
import { EndSignals } from '../session/end-signals.ts';
import { PATIENCE_MS, withMachine } from './machine.ts';
import { runForDebugger } from './run.ts';

interface DebugOptions {
  readonly store?: string;
  readonly mem?: number;
  readonly symbols?: string;
  readonly ex?: readonly string[];
}

export const DEBUG: CommandRow = {
  name: 'debug',
  about: 'debug an image, a checkpoint or a running machine with the installed gdb',
  arguments: { '<file>': 'an image to boot; the name of a running machine; with --store: a checkpoint' },
  options: [
    ['--store <dir>', 'a checkpoint of this store'],
    new Option('--mem <size>', 'guest RAM of an image, in MiB or with a suffix: 64, 512M, 4G').argParser(parseMemory),
    ['--symbols <file>', 'ELF file with the symbols; default: the image, if it is one'],
    [
      '--ex <command>',
      'a command for gdb, once it is connected; may be repeated',
      (text: string, before: readonly string[] = []) => [...before, text],
    ],
  ],
  help: `Examples:
  vmlapse debug guests/build/compute.elf
  vmlapse debug guests/build/compute.elf --ex 'break main' --ex continue
  vmlapse debug latest --store lab
  vmlapse debug kitchen

An image or checkpoint ends with gdb; a running machine runs on. What the guest prints on its serial port comes on this
terminal, which is gdb's otherwise. Images with options of their own: vmlapse run FILE --gdb, and gdb in another terminal.`,
  run: debug,
};

async function debug(what: string, options: DebugOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-gdb-'));
  const listen = `unix:${join(folder, 'door')}`;
  let gdb: Promise<number> | undefined;
  const started = (symbols: string | undefined) => async (door: ListenAddress) => {
    gdb = runGdb(door, options.symbols ?? symbols, options.ex ?? []);
    await gdb;
  };
  try {
    if (options.store !== undefined) {
      const debuggerOf = started(imageOf(what, options.store));
      await restoreForDebugger(what, options.store, { gdb: listen, quiet: true, debugger: debuggerOf });
    } else if (existsSync(what)) {
      await runForDebugger(what, { gdb: listen, quiet: true, debugger: started(what), mem: options.mem });
    } else {
      if (!isMachineName(what))
        throw new UsageError(
          `there is no file ${JSON.stringify(what)}: give an image, the name of a machine, or a checkpoint with --store`,
        );
      if (options.mem !== undefined) throw new UsageError('--mem is for an image: a running machine has its memory');
      await withMachine(what, async (client) => {
        const { guest } = await client.call('status', {}, PATIENCE_MS);
        const { address } = await client.call('gdb', {}, PATIENCE_MS);
        await started(guest)(doorOf(address));
      });
    }
    process.exitCode = await gdb; // the guest may have ended before it
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An address as a machine tells it. */
function doorOf(address: string): ListenAddress {
  if (address.startsWith('unix:')) return { path: address.slice('unix:'.length) };
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replaceAll(/[[\]]/g, ''), port: Number(address.slice(at + 1)) };
}

/** The image that a checkpoint's machine was booted from, if it is there. */
function imageOf(ref: string, directory: string): string | undefined {
  using store = openStore(directory, { readOnly: true });
  return describedMachine(store.config(store.resolve(ref))).guest?.path;
}

const ELF_MAGIC = 0x7f454c46;

/** Whether gdb can read symbols from it. */
function isElf(path: string): boolean {
  try {
    const head = Buffer.alloc(4);
    readSync(openSync(path, 'r'), head, 0, 4, 0);
    return head.readUInt32BE(0) === ELF_MAGIC;
  } catch {
    return false;
  }
}

/** Starts gdb on this terminal, where Ctrl-C is for it; a signal that ends this command ends it, too. Resolves with the exit status. */
async function runGdb(door: ListenAddress, symbols: string | undefined, commands: readonly string[]): Promise<number> {
  const first = [
    'set architecture i386:x86-64',
    ...(symbols !== undefined && isElf(symbols) ? [`add-symbol-file ${quoted(symbols)}`] : []),
    `target remote ${gdbAddress(door)}`,
    ...commands,
  ];
  const quiet = ['-q', '-iex', 'set confirm off', ...first.flatMap((command) => ['-ex', command])];
  const child = spawn('gdb', quiet, { stdio: 'inherit' });
  using signals = new EndSignals(() => child.kill(), { passesOver: ['SIGINT'] });
  return await new Promise((resolve, reject) => {
    child.once('error', () => reject(new HostError('NO_GDB', 'gdb cannot be started: install it (package gdb)')));
    child.once('close', (status) => resolve(signals.caught ? SIGNAL_STATUS[signals.caught] : (status ?? 1)));
  });
}

const quoted = (path: string) => `"${path.replaceAll(/["\\]/g, '\\$&')}"`;
