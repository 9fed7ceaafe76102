/**
 * Loaded after the delays (node --import), to show that the soak of pauses finds a race: a vCPU thread looks for requests,
 * and announces in a second step that it runs.
 */
import { State, VcpuMailbox } from '../../src/runner/threads/mailbox.ts';

const REQUESTS = 63;
const { load } = Atomics;
let words: Int32Array;
Object.defineProperty(Atomics, 'load', {
  value: (of: Int32Array, index: number) => {
    words = of;
    return load(of, index);
  },
});

Object.defineProperty(VcpuMailbox.prototype, 'enter', {
  value(this: VcpuMailbox): boolean {
    if ((this.look() & REQUESTS) !== 0) return false;
    for (;;) {
      const word = Atomics.load(words, 0);
      if (Atomics.compareExchange(words, 0, word, (word & ~State.GONE) | State.RUNNING) === word) break;
    }
    Atomics.notify(words, 0);
    return true;
  },
});
