/** The exit loop: a guest that does nothing but OUT, one that prints, and the equality of what both sides count. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Exit } from '../../src/abi/exits.ts';
import type { Bench } from '../bench.ts';
import { interleave } from '../measure.ts';
import { outsGuest, runFloor } from '../native.ts';
import { guestProgram, runGuest } from '../ours.ts';
import type { Result } from '../report.ts';

const ROUNDS = 7;
const RAM_MIB = 64;
const SINK = '/dev/null';
/** Each of the rounds prints this much; together they print 1 MiB on either side. */
const PRINT_BYTES = 2 ** 20 / 8;

interface FloorRun {
  readonly seconds: number;
  readonly exits: number;
  readonly status: number;
  readonly byReason: Readonly<Record<string, number>>;
  readonly byPort: Readonly<Record<string, number>>;
}

const floorRun = (elf: string) => runFloor<FloorRun>('port-loop', [elf, RAM_MIB, SINK]);

/** Exits per second through the whole runner: the vCPU's own thread, bus dispatch, counters, locks, output ring. */
async function exitRate(name: string, elf: string, unit: string, note: string): Promise<Result> {
  const out = openSync(SINK, 'w');
  try {
    const rates = await interleave(ROUNDS, {
      ours: async () => {
        const { result, seconds } = await runGuest(elf, RAM_MIB, (bytes) => void writeSync(out, bytes));
        return (result.exits.IO ?? 0) / seconds;
      },
      floor: () => {
        const { exits, seconds } = floorRun(elf);
        return exits / seconds;
      },
    });
    return { name, ...rates, unit, bar: { at: 'least', ratio: 0.9 }, note };
  } finally {
    closeSync(out);
  }
}

/** Fails unless both sides count the same exits by reason and by port. */
async function sameCounts(name: string, elf: string): Promise<Result> {
  const { result } = await runGuest(elf, RAM_MIB, () => {});
  const floor = floorRun(elf);
  const ours = { reasons: withoutKicks(result.exits), ports: portTotals(result.ports) };
  const theirs = { reasons: reasonNames(floor.byReason), ports: floor.byPort };
  if (canonical(ours) !== canonical(theirs)) {
    throw new Error(`exit counts differ: ours ${canonical(ours)}, the C program's ${canonical(theirs)}`);
  }
  const exits = Object.values(ours.reasons).reduce((sum, n) => sum + n, 0);
  return { name, ours: exits, floor: floor.exits, unit: 'exits', note: 'equal by reason and port' };
}

/** Exits only: a KVM_RUN that a timer's signal brought back is counted by the runner, but is none. */
const withoutKicks = (exits: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(exits).filter(([name]) => !name.startsWith('(')));

/** "in 0x3fd" and "out 0x3f8" added up by port number, as the C program counts. */
function portTotals(ports: Readonly<Record<string, number>>): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const [key, n] of Object.entries(ports)) {
    const port = String(Number(key.split(' ')[1]));
    totals[port] = (totals[port] ?? 0) + n;
  }
  return totals;
}

const NAMES = new Map<string, string>(Object.entries(Exit).map(([name, number]) => [String(number), name]));

const reasonNames = (byReason: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(byReason).map(([number, n]) => [NAMES.get(number) ?? number, n]));

const canonical = (counts: Readonly<Record<string, Readonly<Record<string, number>>>>) =>
  JSON.stringify(Object.entries(counts).map(([kind, table]) => [kind, Object.entries(table).sort()]));

/*
 * Of what a printed byte costs beyond C (0.8 us of 9, on a host that emulates), half is calling KVM_RUN from JavaScript,
 * 0.1 us the lock of the devices, 0.06 us the output ring. Handing bytes over in bursts could therefore gain less than
 * one per cent, and something would have to wake up for a prompt that does not end its line.
 */
export const EXIT_BENCHES: readonly Bench[] = [
  {
    name: 'port-exits',
    run: async () => [
      await exitRate('port-exits', guestProgram('port-loop'), 'exits/s', 'floor: C loop with a switch and counters'),
    ],
  },
  {
    name: 'serial-print',
    run: async () => [
      await exitRate('serial-print', outsGuest(PRINT_BYTES), 'bytes/s', 'rep outsb to the UART, 1 MiB in 8 rounds'),
    ],
  },
  {
    name: 'exit-counts',
    run: () =>
      Promise.all(['port-loop', 'hello-long'].map((guest) => sameCounts(`exit-counts: ${guest}`, guestProgram(guest)))),
  },
];
