/** The processor's four breakpoints and watchpoints, as a debugger sets them. What this host cannot do is refused. */
import { UsageError } from '../../src/errors.ts';
import type { HardwareStop } from '../../src/runner/stops/debug-registers.ts';
import type { DebugAbilities } from './abilities.ts';

/** See the file's header. */
export class HardwareStops {
  readonly #abilities: DebugAbilities;
  readonly #set: HardwareStop[] = [];

  constructor(abilities: DebugAbilities) {
    this.#abilities = abilities;
  }

  /** Those that are set. */
  get all(): readonly HardwareStop[] {
    return this.#set;
  }

  /** Sets one; false: it was there. Throws UsageError, which says why there can be none. */
  add(stop: HardwareStop): boolean {
    const { real, kernel, user } = this.#abilities;
    if (![real, kernel, user].some(({ hardware }) => hardware[stop.kind])) throw new UsageError(MISSING[stop.kind]);
    if (this.#indexOf(stop) >= 0) return false;
    if (this.#set.length === 4) throw new UsageError('the processor has four hardware breakpoints: remove one first');
    if (stop.address % BigInt(stop.length) !== 0n)
      throw new UsageError(`a watchpoint of ${stop.length} bytes lies at a multiple of ${stop.length}`);
    this.#set.push(stop);
    return true;
  }

  /** Removes it. Returns whether it was there. */
  remove(stop: HardwareStop): boolean {
    const index = this.#indexOf(stop);
    if (index >= 0) this.#set.splice(index, 1);
    return index >= 0;
  }

  /** Removes all. */
  clear(): void {
    this.#set.length = 0;
  }

  #indexOf({ address, kind, length }: HardwareStop): number {
    return this.#set.findIndex((other) => other.address === address && other.kind === kind && other.length === length);
  }
}

const MISSING: Readonly<Record<HardwareStop['kind'], string>> = {
  execute: 'hardware breakpoints do not stop on this host: use breakpoints in memory (break, not hbreak)',
  write: 'hardware watchpoints do not stop on this host: gdb can step instead (set can-use-hw-watchpoints 0)',
  access: 'hardware watchpoints do not stop on this host: gdb can step instead (set can-use-hw-watchpoints 0)',
};
