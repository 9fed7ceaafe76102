/** A checkpoint for a debugger: with the recording that leads to it, if there is one, else alone. */
import { type RestoreOptions, restore } from '../commands/restore.ts';
import { gdbAddress } from './options.ts';
import { isRecorded, travel } from './travel.ts';

/** Lets a checkpoint wait for a debugger; nothing is stored. Returns the exit status. */
export const restoreForDebugger = (
  ref: string,
  store: string,
  options: Pick<RestoreOptions, 'gdb' | 'listenAnywhere' | 'debugger' | 'quiet'>,
): Promise<number> =>
  isRecorded(store, ref)
    ? travel(ref, store, { address: gdbAddress(options), debugger: options.debugger })
    : restore(ref, { store, clock: 'resume', assist: 'auto', ...options });
