/** `Z` and `z`: breakpoints in memory (0) and of the processor (1), watchpoints for writes (2), reads (3) and both (4). */
import type { HardwareStop } from '../../../src/runner/stops/debug-registers.ts';
import type { Client } from '../client.ts';
import { numberOf } from '../packets.ts';
import type { WatchKey } from '../stop-reply.ts';
import { NONSENSE, OK, type PacketRow, UNSUPPORTED } from './row.ts';

/** A processor cannot stop at reads alone: GDB then passes over accesses that changed the value. */
const WATCHES: Readonly<Record<string, readonly [kind: HardwareStop['kind'], key: WatchKey]>> = {
  '2': ['write', 'watch'],
  '3': ['access', 'rwatch'],
  '4': ['access', 'awatch'],
};

/** Bytes watched at most: four pieces. */
const MOST_WATCHED = 32n;

interface Wanted {
  readonly kind: string;
  readonly address: bigint;
  readonly length: bigint;
}

/** `kind,address,length`; conditions and commands that may follow are the client's own business. */
function parse(text: string): Wanted | undefined {
  const [kind = '', where, size] = text.split(';', 1)[0]!.split(',');
  const address = numberOf(where);
  const length = numberOf(size);
  return address === undefined || length === undefined ? undefined : { kind, address, length };
}

/** Pieces that the processor can watch: of 8, 4, 2 or 1 bytes, each at a multiple of its size. */
function piecesOf({ address, length }: Wanted, kind: HardwareStop['kind']): HardwareStop[] | undefined {
  if (length < 1n || length > MOST_WATCHED) return undefined;
  const pieces: HardwareStop[] = [];
  for (let at = address; at < address + length; ) {
    const size = ([8, 4, 2, 1] as const).find((n) => at % BigInt(n) === 0n && at + BigInt(n) <= address + length)!;
    pieces.push({ address: at, kind, length: size });
    at += BigInt(size);
  }
  return pieces;
}

const hardwareOf = (wanted: Wanted): HardwareStop[] | undefined =>
  wanted.kind === '1'
    ? [{ address: wanted.address, kind: 'execute', length: 1 }]
    : piecesOf(wanted, WATCHES[wanted.kind]![0]);

const isKnown = ({ kind }: Wanted) => /^[0-4]$/.test(kind);

async function insert({ target: { debugger: dbg }, watches, vcpu }: Client, wanted: Wanted): Promise<string> {
  if (wanted.kind === '0') {
    await dbg.setBreakpoint(wanted.address, vcpu);
    return OK;
  }
  const stops = hardwareOf(wanted);
  if (!stops) return NONSENSE;
  const set: HardwareStop[] = [];
  try {
    for (const stop of stops) if (dbg.setHardware(stop)) set.push(stop);
  } catch (error) {
    for (const stop of set) dbg.clearHardware(stop);
    throw error;
  }
  const key = WATCHES[wanted.kind]?.[1];
  if (key) for (const { address } of stops) watches.set(address, key);
  return OK;
}

function remove({ target: { debugger: dbg } }: Client, wanted: Wanted): string {
  if (wanted.kind === '0') dbg.clearBreakpoint(wanted.address);
  else for (const stop of hardwareOf(wanted) ?? []) dbg.clearHardware(stop);
  return OK; // also where there was none: a client may repeat it
}

export const BREAKPOINT_PACKETS: readonly PacketRow[] = [
  [
    'Z',
    (client, rest) => {
      const wanted = parse(rest);
      if (!wanted) return NONSENSE;
      return isKnown(wanted) ? insert(client, wanted) : UNSUPPORTED;
    },
  ],
  [
    'z',
    (client, rest) => {
      const wanted = parse(rest);
      if (!wanted) return NONSENSE;
      return isKnown(wanted) ? remove(client, wanted) : UNSUPPORTED;
    },
  ],
];
