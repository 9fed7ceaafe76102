/** Which events of a trace are wanted. */
import { Exit } from '../../src/abi/exits.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import { UsageError } from '../../src/errors.ts';
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { exitReason } from './exits.ts';

/** Names separated by commas; each may be absent. */
export interface FilterOptions {
  /** Ioctls, with or without KVM_. */
  readonly only?: string;
  /** Reasons for which KVM_RUN came back. */
  readonly exit?: string;
  /** Threads. */
  readonly thread?: string;
}

const words = (list: string) => list.split(',').map((word) => word.trim());

/** A function that says which events are wanted; undefined: all. Throws UsageError for names that there are not. */
export function filterOf({ only, exit, thread }: FilterOptions): ((event: TraceEvent) => boolean) | undefined {
  const names = only === undefined ? undefined : new Set(words(only).map(ioctlNamed));
  const exits = exit === undefined ? undefined : new Set(words(exit).map(exitNamed));
  const threads = thread === undefined ? undefined : new Set(words(thread));
  if (!names && !exits && !threads) return undefined;
  return (event) =>
    (!threads || threads.has(event.who)) &&
    (!names || ('name' in event && names.has(event.name))) &&
    (!exits || exits.has(exitReason(event) ?? ''));
}

function ioctlNamed(word: string): string {
  const upper = word.toUpperCase();
  const name = upper.startsWith('KVM_') ? upper : `KVM_${upper}`;
  if (!Object.hasOwn(IOCTLS, name)) throw new UsageError(`there is no ioctl ${word}: vmlapse ioctls lists them`);
  return name;
}

function exitNamed(word: string): string {
  const name = word.toUpperCase().replace(/^KVM_EXIT_/, '');
  if (!Object.hasOwn(Exit, name))
    throw new UsageError(`KVM_RUN does not come back for ${word}: give a reason like IO, MMIO, HLT or SHUTDOWN`);
  return name;
}
