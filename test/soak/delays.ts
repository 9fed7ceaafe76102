/**
 * Loaded into every thread of a process (node --import): now and then an atomic operation takes long, as if the thread had
 * lost its processor just there. So threads meet in orders that are seldom otherwise.
 */
const ONE_IN = 12;
const LONGEST_MS = 0.15;
const OPERATIONS = ['load', 'store', 'add', 'and', 'or', 'exchange', 'compareExchange', 'notify'] as const;

function delay(): void {
  if (Math.random() * ONE_IN > 1) return;
  const end = performance.now() + Math.random() * LONGEST_MS;
  while (performance.now() < end);
}

for (const name of OPERATIONS) {
  const operation = Atomics[name] as (...args: unknown[]) => unknown;
  const delayed = (...args: unknown[]) => {
    delay();
    const result = operation(...args);
    delay();
    return result;
  };
  Object.defineProperty(Atomics, name, { value: delayed });
}

export {};
