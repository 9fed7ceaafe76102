/** The owner's side of the thread that works on the queues of devices. */
import { Worker } from 'node:worker_threads';
import { type ErrorData, errorFromData, HostError } from '../../errors.ts';
import type { MachineHandle } from '../../machine/machine.ts';
import { createIoControl, IoControl, WANT } from './io-control.ts';
import { threadEnv } from './thread-env.ts';
import type { TraceRings } from './trace-rings.ts';

/** Start data of the thread. */
export interface IoStart extends TraceRings {
  readonly handle: MachineHandle;
  readonly control: SharedArrayBuffer;
  readonly mailboxes: SharedArrayBuffer;
  /** The ring for what the user should know of a device. */
  readonly notes: SharedArrayBuffer;
}

/** Thread to owner. */
export type IoMessage = { readonly kind: 'ready' } | { readonly kind: 'failed'; readonly error: ErrorData };

const POLL_MS = 1;
/** A request that takes longer than this is reported: the host's file system does not answer. */
const DEADLINE_MS = 30_000;

/** See the file's header. It begins at rest. */
export class IoThread {
  /** Shared with the vCPU threads. */
  readonly buffer: SharedArrayBuffer;
  readonly #control: IoControl;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #isClosed = false;

  private constructor(given: Omit<IoStart, 'control'>, failed: (error: Error) => void, ready: PromiseEnds) {
    this.buffer = createIoControl();
    this.#control = new IoControl(this.buffer);
    const start: IoStart = { ...given, control: this.buffer };
    this.#worker = new Worker(new URL('./io-worker.js', import.meta.url), { ...threadEnv(), workerData: start });
    const fail = (error: Error) => {
      ready.reject(error);
      this.#control.leave();
      if (!this.#isClosed) failed(error);
    };
    this.#worker.on('message', (message: IoMessage) => {
      if (message.kind === 'ready') ready.resolve();
      else fail(errorFromData(message.error));
    });
    this.#worker.on('error', fail);
    this.#exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve())).then(() => {
      if (!this.#isClosed) fail(gone());
      this.#control.leave();
    });
  }

  /** Starts the thread. Rejects with the error of attaching the devices there. `failed` is told when it ends unasked. */
  static async start(given: Omit<IoStart, 'control'>, failed: (error: Error) => void): Promise<IoThread> {
    let thread: IoThread | undefined;
    await new Promise<void>((resolve, reject) => {
      thread = new IoThread(given, failed, { resolve, reject });
    });
    return thread!;
  }

  /** Lets the thread work: it looks at all queues. */
  resume(): void {
    this.#control.want(WANT.WORK);
  }

  /** Asks the thread to rest, without waiting for it. */
  askForRest(): void {
    this.#control.want(WANT.REST);
  }

  /**
   * After {@link askForRest}: returns when the thread rests, and calls `drain` meanwhile, since it may wait for room in a ring.
   * Throws HostError when it does not come to that.
   */
  waitForRest(drain: () => void): void {
    const deadline = performance.now() + DEADLINE_MS;
    while (!this.#control.waitForRest(POLL_MS)) {
      drain();
      if (performance.now() > deadline)
        throw new HostError(
          'DISK_STUCK',
          `a disk's image has not been read for ${DEADLINE_MS / 1000} s; is its file system still there?`,
        );
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#control.want(WANT.EXIT);
    await this.#exited;
  }
}

interface PromiseEnds {
  resolve(): void;
  reject(error: Error): void;
}

const gone = () =>
  new HostError('THREAD_GONE', 'the thread that reads and writes the disks has ended; restore the last checkpoint');
