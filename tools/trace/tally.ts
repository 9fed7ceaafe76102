/** Counts of a trace: how often each ioctl was called, for how long, and why KVM_RUN came back. */
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { exitReason } from './exits.ts';
import type { Calls, LeftOut } from './format.ts';

/** Different names that are counted by themselves; a file may have any number of them. */
const MOST_NAMES = 512;
const OTHERS = '(others)';

/** See the file's header. */
export class Tally {
  events = 0;
  readonly #ioctls = new Map<string, Calls>();
  readonly #exits = new Map<string, number>();

  add(event: TraceEvent): void {
    this.events++;
    if ('text' in event) return;
    this.#call(event.name, { calls: 1, us: event.us, errors: event.result < 0 ? 1 : 0 });
    const exit = exitReason(event);
    if (exit !== undefined) this.#exit(exit, 1);
  }

  /** Adds what a file counted but has no events of. */
  addLeftOut({ events, ioctls, exits }: LeftOut): void {
    this.events += events;
    for (const [name, calls] of Object.entries(ioctls)) this.#call(name, calls);
    for (const [name, count] of Object.entries(exits)) this.#exit(name, count);
  }

  /** By name; the one that took longest first. */
  get ioctls(): Readonly<Record<string, Calls>> {
    return Object.fromEntries([...this.#ioctls].sort(([, a], [, b]) => b.us - a.us));
  }

  /** The exits of KVM_RUN by their reason; the one that came most often first. */
  get exits(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#exits].sort(([, a], [, b]) => b - a));
  }

  #call(name: string, more: Calls): void {
    const key = keyIn(this.#ioctls, name);
    const { calls, us, errors } = this.#ioctls.get(key) ?? { calls: 0, us: 0, errors: 0 };
    this.#ioctls.set(key, { calls: calls + more.calls, us: us + more.us, errors: errors + more.errors });
  }

  #exit(name: string, count: number): void {
    const key = keyIn(this.#exits, name);
    this.#exits.set(key, (this.#exits.get(key) ?? 0) + count);
  }
}

const keyIn = (map: ReadonlyMap<string, unknown>, name: string) =>
  map.has(name) || map.size < MOST_NAMES ? name : OTHERS;
