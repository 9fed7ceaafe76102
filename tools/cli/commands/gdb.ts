/** `vmlapse gdb` and `vmlapse debug`: debuggers for machines and checkpoints. */
import { UsageError } from '../../../src/errors.ts';
import { addressText, parseListenAddress } from '../../gdb/address.ts';
import type { CommandRow } from '../command.ts';
import { printLine } from '../output.ts';
import { restoreForDebugger } from '../session/debug-checkpoint.ts';
import { LISTEN_ANYWHERE } from '../session/options.ts';
import { PATIENCE_MS, withMachine } from './machine.ts';

interface GdbOptions {
  readonly store?: string;
  readonly listen?: string;
  readonly listenAnywhere?: boolean;
}

export const GDB: CommandRow = {
  name: 'gdb',
  about: 'let gdb or lldb debug a running machine, or a checkpoint',
  arguments: { '<name>': 'name of a running machine; with --store: a checkpoint, by digest, tag, latest or latest~N' },
  options: [
    ['--store <dir>', 'serve a checkpoint of this store, restored and paused'],
    ['--listen <addr>', 'PORT, HOST:PORT or unix:PATH; default: any free port of this host'],
    LISTEN_ANYWHERE,
  ],
  help: `Examples:
  vmlapse gdb kitchen
  vmlapse gdb kitchen --listen unix:/tmp/kitchen.gdb
  vmlapse gdb latest --store lab --listen 1234

Prints where to connect: in gdb, target remote ADDRESS. A machine goes on running until a debugger comes, and when it has
left. A checkpoint stands still until the debugger continues it; if it is one of a recording, the debugger can go back, and
the command ends when it leaves. See docs/gdb.md.`,
  run: gdb,
};

async function gdb(name: string, options: GdbOptions): Promise<void> {
  const { store, listen, listenAnywhere = false } = options;
  if (listen !== undefined) parseListenAddress(listen, listenAnywhere);
  else if (listenAnywhere)
    throw new UsageError('--listen-anywhere is about the address of --listen: add --listen ADDR');
  if (store !== undefined) {
    process.exitCode = await restoreForDebugger(name, store, { gdb: listen ?? '0', listenAnywhere });
    return;
  }
  const params = { ...(listen !== undefined && { listen }), ...(listenAnywhere && { anywhere: true }) };
  const { address } = await withMachine(name, (client) => client.call('gdb', params, PATIENCE_MS));
  if (listen !== undefined && !isSame(listen, address))
    printLine(`vmlapse: note: the debug door of ${name} was open before, at another address`);
  process.stdout.write(`${address}\n`);
  printLine(`vmlapse: in gdb: target remote ${address.replace(/^unix:/, '')}`);
}

/** Port 0 is any. */
const isSame = (wanted: string, address: string) => {
  const parsed = parseListenAddress(wanted, true);
  return ('port' in parsed && parsed.port === 0) || addressText(parsed) === address;
};
