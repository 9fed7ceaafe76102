/**
 * Loaded into every thread of a process (node --import): now and then an atomic operation takes long, as if the thread had
 * lost its processor just there. So threads meet in orders that are seldom otherwise. A thread looks at its mailbox by
 * load and announces its state by compareExchange: these are delayed the most often.
 */
const LONGEST_MS = 0.15;
/** Delays by operation: one in so many calls. */
const ONE_IN = { load: 4, compareExchange: 4, store: 12, add: 12, and: 12, or: 12, exchange: 12, notify: 12 } as const;

function delay(oneIn: number): void {
  if (Math.random() * oneIn > 1) return;
  const end = performance.now() + Math.random() * LONGEST_MS;
  while (performance.now() < end);
}

for (const [name, oneIn] of Object.entries(ONE_IN)) {
  const operation = Atomics[name as keyof typeof ONE_IN] as (...args: unknown[]) => unknown;
  const delayed = (...args: unknown[]) => {
    delay(oneIn);
    const result = operation(...args);
    delay(oneIn);
    return result;
  };
  Object.defineProperty(Atomics, name, { value: delayed });
}

export {};
