/** Counters of the exit loop: flat arrays, because every exit changes them. */
import type { UnclaimedCounts } from '../devices/unclaimed.ts';
import { exitName } from '../kvm/exit.ts';
import type { RunCounts } from './result.ts';

const PORTS = 0x1_0000;
/** Ports are counted in pieces of so many, made when needed: an array for all is a mebibyte that each vCPU would clear. */
const PIECE = 256;
const PIECE_BITS = 8;
const REASONS = 64;

/** Two reads of the clock at each exit would cost 5 % of the loop, so after the first exits only each 61st is timed: a prime,
 * because guests do things in powers of two. */
const TIMED_FIRST = 256;
const TIMED_EVERY = 61;

/** Counters of one vCPU's loop. */
export class ExitCounters {
  readonly byReason = new Float64Array(REASONS);
  readonly #other = new Map<number, number>();
  readonly #ports: (Float64Array | undefined)[] = Array.from({ length: (2 * PORTS) / PIECE });
  readonly assisted: Record<string, number> = {};
  /** Exits of all reasons. */
  total = 0;
  /** KVM_RUN calls that a signal ended. */
  interrupted = 0;
  /** Milliseconds spent serving exits; estimated from a sample of them. */
  hostMs = 0;
  #clocked = 0;
  /** Milliseconds in the run loop, KVM_RUN included. */
  totalMs = 0;

  /** Number of exits for which the next one counts in {@link hostMs}; 0: do not time it. */
  clockWeight(): number {
    const n = ++this.#clocked;
    if (n <= TIMED_FIRST) return 1;
    return n % TIMED_EVERY === 0 ? TIMED_EVERY : 0;
  }

  /** Milliseconds inside KVM_RUN; an estimate, as {@link hostMs} is. */
  get guestMs(): number {
    return Math.max(0, this.totalMs - this.hostMs);
  }

  /** Counts an exit by its number. */
  exit(reason: number): void {
    this.total++;
    if (reason < REASONS) this.byReason[reason]!++;
    else this.#other.set(reason, (this.#other.get(reason) ?? 0) + 1);
  }

  /** Counts a port exit; `direction` 0 is in, 1 is out. A string of accesses in one exit counts once. */
  port(direction: number, port: number): void {
    const index = direction * PORTS + port;
    const piece = this.#ports[index >> PIECE_BITS] ?? this.#piece(index >> PIECE_BITS);
    piece[index & (PIECE - 1)]!++;
  }

  #piece(number: number): Float64Array {
    const piece = new Float64Array(PIECE);
    this.#ports[number] = piece;
    return piece;
  }

  assist(mnemonic: string): void {
    this.assisted[mnemonic] = (this.assisted[mnemonic] ?? 0) + 1;
  }

  /** Everything counted, by name, as plain data. */
  summary(unclaimed: UnclaimedCounts | undefined): RunCounts {
    const exits: Record<string, number> = {};
    this.byReason.forEach((n, reason) => {
      if (n > 0) exits[exitName(reason)] = n;
    });
    for (const [reason, n] of this.#other) exits[exitName(reason)] = n;
    if (this.interrupted > 0) exits.INTR = (exits.INTR ?? 0) + this.interrupted;
    const ports: Record<string, number> = {};
    this.#ports.forEach((piece, number) => {
      piece?.forEach((n, at) => {
        const index = number * PIECE + at;
        if (n > 0) ports[`${index < PORTS ? 'in' : 'out'} 0x${(index % PORTS).toString(16)}`] = n;
      });
    });
    return {
      exits,
      ports,
      unclaimed: unclaimedByName(unclaimed),
      assisted: { ...this.assisted },
      guestMs: this.guestMs,
      hostMs: this.totalMs - this.guestMs,
    };
  }
}

function unclaimedByName(unclaimed: UnclaimedCounts | undefined): Record<string, number> {
  const named: Record<string, number> = {};
  if (!unclaimed) return named;
  for (const [port, n] of unclaimed.ports) named[`port 0x${port.toString(16)}`] = n;
  for (const [gpa, n] of unclaimed.mmio) named[`mmio 0x${gpa.toString(16)}`] = n;
  if (unclaimed.others > 0) named.others = unclaimed.others;
  return named;
}
