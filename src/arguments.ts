/** What the functions of the API are called with, checked in one way: JavaScript has no compiler that would say it. */
import { UsageError } from './errors.ts';
import { isObject, type OptionKind, shown } from './options.ts';

/** An argument, and what it has to be. */
type Given = readonly [value: unknown, kind: OptionKind];

/** Throws UsageError for the first argument that does not fit: "runHere(5): give a machine …". */
export function checkArguments(call: string, ...given: readonly Given[]): void {
  const wrong = given.findIndex(([value, { fits }]) => !fits(value));
  if (wrong < 0) return;
  const [value, { wanted }] = given[wrong]!;
  throw new UsageError(`${call}(${'…, '.repeat(wrong)}${shown(value)}): give ${wanted}`);
}

/** An object that has these members, of its own or by its class: what is used of it, wherever it was made. */
const having = (wanted: string, ...members: readonly string[]): OptionKind => ({
  wanted,
  fits: (value) => isObject(value) && members.every((member) => member in value),
});

export const MACHINE = having('a machine, as Machine.create() makes it', 'vm', 'memory', 'config');
export const BOOTABLE = having('a machine, as Machine.create() makes it', 'memory', 'setBoot');
export const RUNNER = having('a LocalMachine or a RunningMachine', 'machine', 'host');
export const STORE = having('an open store, as openStore() gives it', 'directory', 'blobs');
export const CHECKPOINT = having('an open checkpoint, as store.open() gives it', 'config', 'readPages');
/** A session has `checkpoint`. */
export const DIFFED: OptionKind = {
  wanted: 'an open checkpoint, or the session of a machine',
  fits: (value) => CHECKPOINT.fits(value) || (isObject(value) && 'checkpoint' in value),
};
export const STATE = having('the state of a machine, as decodeState() gives it', 'description', 'vcpus');
export const CONFIG = having('the config of an open checkpoint', 'version');
export const WITH_MEMORY_MAP = having('the options, with memoryMap: machine.memory.memoryMap', 'memoryMap');
export const DISK = having('a disk: an object with bytes, its size, and read', 'bytes', 'read');
export const IMAGE = having('the plan of a guest, as load() makes it', 'segments', 'entry');
export const MEMORY = having('guest memory: an object with ranges, write and zero', 'ranges', 'write', 'zero');
export const RANGE = having('a range { base, length }', 'base', 'length');
export const HANDLER = having('a device: an object with name, and read or write', 'name');
export const ENDING = having('how a guest ends, as the list of guests says', 'kind');
export const RUN_AREA = having('the area of a vCPU: vcpu.area', 'exitReason');
export const TRACED = having('a call, as a tracer gets it', 'fd', 'name');
export const URL_OBJECT = having("the URL of a module: new URL('./devices.js', import.meta.url)", 'href');
/** Bytes of any context. */
export const BYTES: OptionKind = {
  wanted: 'a Uint8Array',
  fits: (value) =>
    ArrayBuffer.isView(value) && 'subarray' in value && value.byteLength === (value as Uint8Array).length,
};
export const PATH: OptionKind = { wanted: 'a path', fits: (value) => typeof value === 'string' && value !== '' };
