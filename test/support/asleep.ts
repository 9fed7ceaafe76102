/** Waits for what a process cannot tell: that it has come to where it only waits. */
import { readdirSync, readFileSync } from 'node:fs';
import { scaled } from './time.ts';

/** How often each thread of a process has been switched; undefined if one of them does not sleep. */
function sleepers(pid: number): string | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map((id) =>
      readFileSync(`/proc/${pid}/task/${id}/status`, 'utf8'),
    );
    if (!threads.every((status) => /^State:\tS/m.test(status))) return undefined;
    return threads.map((status) => status.match(/^\w*voluntary_ctxt_switches:\t\d+$/gm)).join();
  } catch {
    return undefined; // a thread has ended meanwhile
  }
}

/**
 * Resolves when all threads of a process sleep, and none has run between two looks. A thread that only has to wait for a
 * processor does not sleep, so load of the machine makes no difference. Rejects after `ms`.
 */
export async function asleep(pid: number, ms = 15_000): Promise<void> {
  const deadline = performance.now() + scaled(ms);
  for (let before: string | undefined, now = sleepers(pid); ; now = sleepers(pid)) {
    if (now !== undefined && now === before) return;
    if (performance.now() > deadline) throw new Error(`process ${pid} does not come to rest`);
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
