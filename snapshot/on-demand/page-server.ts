/**
 * The thread that supplies the pages of a machine whose memory comes on demand: those that somebody waits for as soon as that
 * is known, all others in between: what an earlier machine has waited for, then the rest in the order of the store. The digests
 * in the store are checked before a byte is put in place. It loads no more than it needs: the guest may be waiting.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { CheckpointError } from '../../src/errors.ts';
import { Mapping } from '../../src/ffi/mapping.ts';
import { kickThread } from '../../src/ffi/signals.ts';
import { type Fault, Userfault } from '../../src/ffi/userfault.ts';
import { Arrival, ArrivalState } from '../../src/memory/arrival.ts';
import { RamCache } from '../cache/ram-cache.ts';
import { outsideMemory } from '../outside.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { MemorySink } from '../store/memory/read-all.ts';
import { openStore } from '../store/store.ts';
import { AskedPages } from './asked-pages.ts';
import type { PageServerMessage, PageServerStart, ServedRange } from './on-demand.ts';

/** So long, after so much that nobody has asked for, the processor is left to the guest. */
const PAUSE_MS = 1;
const PAUSE_BYTES = 2 ** 20;
/** How long it takes to see that the memory is gone, where nothing else is left to do. */
const LOOK_MS = 50;
const STAGING_BYTES = 2 ** 20;

/** The memory is gone. */
class Gone extends Error {}

class PageServer {
  readonly #start: PageServerStart;
  readonly #arrival: Arrival;
  readonly #fault: Userfault;
  readonly #asked: AskedPages;
  readonly #cache: RamCache | undefined;
  readonly #staging = Mapping.anonymous(STAGING_BYTES);
  /** Open, or why it cannot be. */
  #checkpoint: Checkpoint | Error = new Error('the store is not open yet');
  #sincePause = 0;

  constructor(start: PageServerStart, arrival: Arrival, fault: Userfault) {
    this.#start = start;
    this.#arrival = arrival;
    this.#fault = fault;
    this.#asked = new AskedPages(start.asked);
    const onProblem = (notCached: string) => tell({ notCached });
    this.#cache = start.cache && new RamCache({ ...start.cache, onProblem });
  }

  /** Returns when all is there. Throws {@link Gone} before, if the memory goes. */
  run(): void {
    const { directory, digest, ranges } = this.#start;
    try {
      using store = openStore(directory, { readOnly: true });
      const checkpoint = store.open(digest);
      this.#checkpoint = checkpoint;
      while (this.#arrival.state === ArrivalState.PREPARED) this.#arrival.wait(ArrivalState.PREPARED);
      this.#serve(0);
      this.#putNeeded(checkpoint);
      this.#fill(checkpoint);
      this.#touch(() => {
        for (const { address, size } of ranges) this.#fault.unregister({ address, length: size });
      });
      this.#arrival.advance(ArrivalState.WHOLE);
    } catch (error) {
      if (error instanceof Gone) throw error;
      if (this.#checkpoint instanceof Error) this.#checkpoint = error as Error;
      this.#arrival.damaged(error);
      tell({ damage: `${error}`.replace(/^\w*Error: /, '') });
      for (;;) this.#serve(LOOK_MS); // what is not damaged still comes
    }
  }

  /** Puts in place what an earlier machine has waited for. What of it is damaged is found again on the way through all. */
  #putNeeded(checkpoint: Checkpoint): void {
    const there = new Set<number>();
    for (const gpa of this.#cache?.needed(checkpoint.digest) ?? []) {
      const range = this.#rangeOf(gpa, PAGE_SIZE);
      if (!range || there.has(gpa)) continue;
      const before = there.size;
      try {
        for (const page of this.#supply(gpa, range)) there.add(page);
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
      }
      this.#serveAfter((there.size - before) * PAGE_SIZE);
    }
  }

  /** Puts all in place; on the way, the cache gets it. */
  #fill(checkpoint: Checkpoint): void {
    let isRead = false;
    const readAll = (sink: MemorySink) => {
      const data = (gpa: number, bytes: Uint8Array) => {
        this.#put(gpa, bytes);
        sink.data(gpa, bytes);
        this.#serveAfter(bytes.length);
      };
      checkpoint.readAll({ data });
      isRead = true;
    };
    this.#cache?.open({ digest: checkpoint.digest, readAll }, this.#start.description)?.[Symbol.dispose]();
    if (!isRead) readAll({ data() {} });
  }

  /** Answers all who wait, after so many bytes that nobody has asked for. */
  #serveAfter(bytes: number): void {
    this.#sincePause += bytes;
    const isPause = this.#sincePause >= PAUSE_BYTES && !this.#arrival.isUrgent;
    if (isPause) this.#sincePause = 0;
    this.#serve(isPause ? PAUSE_MS : 0);
  }

  /** Answers all who wait, for `ms` milliseconds if nobody does. */
  #serve(ms: number): void {
    for (let faults = this.#fault.next(ms); faults.length > 0; faults = this.#fault.next(0))
      for (const fault of faults) this.#answer(fault);
    if (this.#arrival.state === ArrivalState.GONE) throw new Gone();
  }

  #answer({ address, thread }: Fault): void {
    const range = this.#start.ranges.find((one) => address >= one.address && address < one.address + BigInt(one.size))!;
    const gpa = range.base + Number(address - range.address);
    this.#asked.add(gpa);
    try {
      this.#supply(gpa, range);
    } catch (error) {
      if (error instanceof Gone) throw error;
      const { code, message } = error instanceof CheckpointError ? error : { code: 'CORRUPT', message: `${error}` };
      const where = `the page at 0x${gpa.toString(16)} of the guest cannot be read: ${message}`;
      this.#arrival.refuse(new CheckpointError(code as 'CORRUPT', where, { gpa }));
      kickThread(thread); // a vCPU comes back before it runs the guest again
      this.#touch(() => this.#fault.forbid(address));
    }
  }

  /** Puts a page in place, and with it those beside it that the same frame of the store holds. Returns which. */
  #supply(gpa: number, { base, size }: ServedRange): readonly number[] {
    const checkpoint = this.#checkpoint;
    if (checkpoint instanceof Error) throw checkpoint;
    const asked = checkpoint.place(gpa);
    const isBeside = (at: number) => {
      if (at < base || at >= base + size) return false;
      const { kind, layer, frame } = checkpoint.place(at);
      return kind === 'stored' && kind === asked.kind && layer === asked.layer && frame === asked.frame;
    };
    let [first, end] = [gpa, gpa + PAGE_SIZE];
    while (isBeside(first - PAGE_SIZE)) first -= PAGE_SIZE;
    while (isBeside(end)) end += PAGE_SIZE;
    const bytes = new Uint8Array(end - first);
    const pages = Array.from({ length: bytes.length / PAGE_SIZE }, (_, i) => first + i * PAGE_SIZE);
    checkpoint.readPages(pages, bytes);
    this.#put(first, bytes);
    return pages;
  }

  #rangeOf(gpa: number, length: number): ServedRange | undefined {
    return this.#start.ranges.find(({ base, size }) => gpa >= base && gpa + length <= base + size);
  }

  #put(gpa: number, bytes: Uint8Array): void {
    const range = this.#rangeOf(gpa, bytes.length);
    if (!range) throw outsideMemory(gpa, bytes.length);
    const to = range.address + BigInt(gpa - range.base);
    for (let done = 0; done < bytes.length; done += STAGING_BYTES) {
      const piece = bytes.subarray(done, done + STAGING_BYTES);
      this.#staging.bytes.set(piece);
      this.#touch(() => {
        const code = this.#fault.copy(to + BigInt(done), this.#staging.address, piece.length);
        if (code !== 0) throw new Error(`UFFDIO_COPY: errno ${code}`);
      });
    }
  }

  #touch(action: () => void): void {
    if (!this.#arrival.with(action)) throw new Gone();
  }
}

const tell = (told: PageServerMessage) => parentPort!.postMessage(told);

const start = workerData as PageServerStart;
const arrival = new Arrival(start.arrival);
using fault = Userfault.adopt(start.fd);
try {
  new PageServer(start, arrival, fault).run();
} catch (error) {
  if (!(error instanceof Gone)) arrival.refuse(error); // what is missing is zero from here on: the guest must not see it
}
