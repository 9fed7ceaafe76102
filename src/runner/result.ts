/** The result of a run, as plain data: it crosses threads and is printed as JSON. */

/** Why a run ended. */
export type RunReason =
  | 'exit-port' // the guest wrote its status to the debug-exit port
  | 'halted' // HLT with interrupts off, on every vCPU
  | 'poweroff'
  | 'reset'
  | 'shutdown' // triple fault
  | 'exception' // one that a program in real mode has no handler for
  | 'internal-error' // KVM cannot continue, usually because of an instruction it cannot emulate
  | 'fail-entry' // the processor refused the guest state
  | 'unexpected-exit' // an exit that the loop has no handler for
  | 'stop-point' // an exit that the owner chose to stop at
  | 'debug-stop' // a breakpoint, watchpoint or step of a debugger; `detail` says which, and where
  | 'timeout'
  | 'interrupted'; // stopped from outside

/** The end of one vCPU's loop. */
export interface RunEnd {
  readonly reason: RunReason;
  /** exit-port: the value written. */
  readonly value?: number;
  /** The stop points that the exit was, as "exit:40", or "serial:login:, port:0x3f8". */
  readonly stopPoint?: string;
  /** Data of the exit: suberror, hardware reason, exit number. */
  readonly detail?: Readonly<Record<string, number | bigint | string>>;
}

/** Exits by reason name, port accesses by port, and where the time went. */
export interface RunCounts {
  readonly exits: Readonly<Record<string, number>>;
  /** Port exits by "in 0x3fd" and "out 0x3f8". */
  readonly ports: Readonly<Record<string, number>>;
  /** Accesses to no device, by "port 0x…" and "mmio 0x…". */
  readonly unclaimed: Readonly<Record<string, number>>;
  /** Instructions done by the assist, by mnemonic. */
  readonly assisted: Readonly<Record<string, number>>;
  /** Milliseconds inside KVM_RUN and outside it, summed over vCPUs. */
  readonly guestMs: number;
  readonly hostMs: number;
}

/** The whole result of a run. */
export interface RunResult extends RunEnd, RunCounts {
  /** The vCPU that ended it. */
  readonly vcpu: number;
  /** For faults: what happened, in a paragraph with registers and disassembly. */
  readonly explanation?: string;
}

/** Ends by a fault of the guest or a limit of KVM. */
export const FAULTS: ReadonlySet<RunReason> = new Set([
  'shutdown',
  'exception',
  'internal-error',
  'fail-entry',
  'unexpected-exit',
]);

/** Ends caused by the guest; the others are stops that the owner requested. */
export const GUEST_ENDS: ReadonlySet<RunReason> = new Set([...FAULTS, 'exit-port', 'halted', 'poweroff', 'reset']);

/** Adds up counts of several vCPUs. */
export function sumCounts(all: readonly RunCounts[]): RunCounts {
  const sum = (pick: (c: RunCounts) => Readonly<Record<string, number>>) => {
    const total: Record<string, number> = {};
    for (const counts of all) for (const [key, n] of Object.entries(pick(counts))) total[key] = (total[key] ?? 0) + n;
    return total;
  };
  return {
    exits: sum((c) => c.exits),
    ports: sum((c) => c.ports),
    unclaimed: sum((c) => c.unclaimed),
    assisted: sum((c) => c.assisted),
    guestMs: all.reduce((ms, c) => ms + c.guestMs, 0),
    hostMs: all.reduce((ms, c) => ms + c.hostMs, 0),
  };
}
