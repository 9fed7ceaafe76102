/** `vmlapse view NAME`: a page that follows a running machine, and drives it. */
import { once } from 'node:events';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { ControlError, UsageError } from '../../../src/errors.ts';
import type { ControlClient } from '../../control/client.ts';
import type { MachineEvent, MachineStatus, StepSummary } from '../../control/protocol.ts';
import { isLoopback, parsePort } from '../../gdb/address.ts';
import { LiveDoor, type LiveSource } from '../../view/live/door.ts';
import type { Action, LiveState } from '../../view/live/live-types.ts';
import { Reader } from '../../view/reader.ts';
import { type TimelineOptions, timelineOf } from '../../view/timeline.ts';
import { PATIENCE_MS, withMachine } from '../commands/machine.ts';
import { printLine } from '../output.ts';
import { EndSignals } from './end-signals.ts';

export type LiveViewOptions = Omit<TimelineOptions, 'name'> & { readonly listen?: string };

/** Where the page is served: a port of this host, and no other, as the page can drive the machine. */
export function addressOf(listen = '0'): { readonly host: string; readonly port: number } {
  const address = parsePort(listen);
  if (isLoopback(address.host)) return address;
  throw new UsageError(
    `${address.host} can be reached by others, and the page can drive the machine: give a PORT, and from elsewhere use ssh -L`,
  );
}

/** Serves the page until a signal comes. `ready` gets its URL. Throws ControlError for a machine without a store. */
export async function viewMachine(name: string, options: LiveViewOptions, ready: (url: string) => void): Promise<void> {
  const { host, port } = addressOf(options.listen);
  await withMachine(name, async (client) => {
    const first = await client.call('status', {}, PATIENCE_MS);
    if (first.store === undefined)
      throw new ControlError(
        'NO_STORE',
        `machine ${name} has no store, so it has no timeline; start it with --store DIR`,
      );
    using machine = new FollowedMachine(client, first, { ...options, name: first.store, pages: PAGES_READ });
    await using door = await LiveDoor.open(machine, host, port);
    await machine.follow((timeline) => door.changed(timeline));
    const stop = new AbortController();
    using _ = new EndSignals(() => stop.abort());
    ready(door.url);
    await once(stop.signal, 'abort');
  });
}

/** A timeline that grows is read again and again: a fraction of a second each time. */
const PAGES_READ = 2000;

/** Events after which a page looks again; with them, whether the checkpoints are others. */
const EVENTS = {
  checkpoint: true,
  rollback: true,
  pause: false,
  resume: false,
  step: false,
  output: false,
  end: true,
} as const;
/** A guest that prints much is asked for it so often. Milliseconds. */
const PRINTED_EVERY_MS = 100;
/** More than this of the text since the last checkpoint the page does not show. */
const MOST_PRINTED = 4000;
/** Characters of the text between checkpoints that the page has: the newest. */
const MOST_PIECES = 512 * 1024;
const textOf = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
type Followed = keyof typeof EVENTS;

const stepOf = ({ what, vcpu, at, instruction, changed }: StepSummary) => ({
  ...{ what, vcpu, changed },
  ...(at !== undefined && { at }),
  ...(instruction !== undefined && { instruction }),
});

/** A machine behind a control client, as the page's server sees it. */
class FollowedMachine implements LiveSource, Disposable {
  readonly name: string;
  readonly #client: ControlClient;
  readonly #options: TimelineOptions;
  readonly #store: Store;
  #reader: Reader;
  #status: Pick<MachineStatus, 'state' | 'checkpointing'>;
  #ended = false;
  #step: LiveState['step'];
  /** Text between checkpoints and their parents; text since; and where to ask on. */
  readonly #pieces = new Map<string, string>();
  #printed: LiveState['printed'];
  #next = 0;
  #size = 0;
  /** The text is asked for, once more after a while. */
  #asking: NodeJS.Timeout | undefined;

  constructor(client: ControlClient, status: MachineStatus, options: TimelineOptions) {
    this.name = status.name;
    this.#client = client;
    this.#status = status;
    this.#options = options;
    this.#store = openStore(status.store!, { readOnly: true });
    this.#reader = new Reader(this.#store, options.symbolsOf);
  }

  state(): LiveState {
    const { state, checkpointing } = this.#status;
    const [printed, step] = [this.#printed, this.#step];
    const more = { ...(printed && { printed }), ...(step && { step }) };
    return { name: this.name, state: this.#ended ? 'ended' : state, checkpointing, ...more };
  }

  page() {
    // It keeps what it has read, also of checkpoints that are gone.
    if (this.#reader.isFull) this.#reader = new Reader(this.#store, this.#options.symbolsOf);
    const printed = (digest: string) => this.#pieces.get(digest);
    return timelineOf(this.#store, { ...this.#options, printed }, this.#reader);
  }

  async follow(changed: (timeline: boolean) => void): Promise<void> {
    // One that does not answer in time is as it was; one that is gone closes the connection.
    const then = (look: Promise<void>, event: Followed) =>
      void look.catch(() => {}).then(() => !this.#ended && changed(EVENTS[event]));
    await this.#client.subscribe(Object.keys(EVENTS) as Followed[], (event: MachineEvent) => {
      if (event.event === 'end') this.#end(changed);
      else if (event.event === 'output')
        this.#asking ??= setTimeout(() => {
          this.#asking = undefined;
          then(this.#read(), 'output');
        }, PRINTED_EVERY_MS);
      else {
        if (event.event === 'step') this.#step = stepOf(event);
        if (event.event === 'resume' || event.event === 'rollback') this.#step = undefined;
        then(this.#look(), event.event as Followed);
      }
    });
    await this.#read().catch(() => {}); // one of an older version does not know
    void this.#client.closed.then(() => this.#end(changed));
  }

  async #look(): Promise<void> {
    this.#status = await this.#client.call('status', {}, PATIENCE_MS);
    await this.#read();
  }

  /** Asks for what was printed. */
  async #read(): Promise<void> {
    const { base, since, pieces, next } = await this.#client.call('printed', { from: this.#next }, PATIENCE_MS);
    for (const { digest, data } of pieces) {
      const text = textOf(data);
      this.#size += text.length - (this.#pieces.get(digest)?.length ?? 0);
      this.#pieces.set(digest, text);
    }
    for (const [digest, text] of this.#pieces) {
      if (this.#size <= MOST_PIECES) break;
      this.#pieces.delete(digest);
      this.#size -= text.length;
    }
    this.#next = next;
    this.#printed = { ...(base !== undefined && { base }), text: textOf(since.slice(-MOST_PRINTED)) };
  }

  #end(changed: (timeline: boolean) => void): void {
    if (this.#ended) return;
    this.#ended = true;
    printLine(`vmlapse: ${this.name} has ended; the page stays until Ctrl-C`);
    changed(true);
  }

  async act(action: Action): Promise<void> {
    if (this.#ended) throw new ControlError('GONE', `machine ${this.name} has ended`);
    if (action.do === 'rollback') await this.#client.call('rollback', { ref: action.ref });
    else if (action.do === 'step') await this.#client.call('step', { by: action.by });
    else await this.#client.call(action.do, {});
    await this.#look();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#asking);
    this.#ended = true; // for us: the connection is closed next, which says nothing of the machine
    this.#store[Symbol.dispose]();
  }
}
