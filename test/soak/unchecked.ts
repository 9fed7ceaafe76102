/**
 * Loaded after the delays (node --import), to show that the soak of pauses finds a race: a vCPU thread looks for requests,
 * and announces in a second step that it runs.
 */
import { State, VcpuMailbox } from '../../src/runner/threads/mailbox.ts';

const REQUESTS = 63;
const { load, or } = Atomics;
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
    Atomics.and(words, 0, ~State.GONE);
    or(words, 0, State.RUNNING);
    Atomics.notify(words, 0);
    return true;
  },
});
