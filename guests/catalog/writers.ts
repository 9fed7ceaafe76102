/** Guests that dirty memory in ways that can be checked at any instant (invariants.ts). All counters are by name. */
import { EXIT_CODES } from '../contract.ts';
import { ends, exits, type Guest, type GuestRow, guest } from '../guest.ts';

interface WriterFamily {
  readonly name: string;
  readonly shows: string;
  readonly source: string;
  readonly defines?: Readonly<Record<string, string | number>>;
  readonly options?: NonNullable<GuestRow['options']>;
  /** Rounds of the bounded variant. */
  readonly rounds: number;
  readonly firstLine: string;
  readonly lastLine: string;
  readonly deterministic?: boolean;
}

/**
 * Three guests of one source: `name` runs until it is stopped and makes no exits; `name-bounded` ends, and marks each
 * round on the POST port; `name-pvh` is the endless one for QEMU as well.
 */
function writer(family: WriterFamily): Guest[] {
  const common = {
    mode: 'long',
    options: family.options ?? {},
    deterministic: family.deterministic ?? true,
  } as const;
  const recipe = (rounds: number, notify: 0 | 1, pvhDoor: boolean) => ({
    target: 'long-elf' as const,
    sources: [family.source],
    runtime: true,
    pvhDoor,
    defines: { ...family.defines, ROUNDS: rounds, NOTIFY: notify },
  });
  return [
    guest({
      ...common,
      name: family.name,
      format: 'elf',
      shows: `${family.shows}; endless`,
      build: recipe(0, 0, false),
      expect: ends('endless', family.firstLine),
    }),
    guest({
      ...common,
      name: `${family.name}-bounded`,
      format: 'elf',
      shows: `${family.shows}; ${family.rounds} rounds, each marked on the POST port`,
      build: recipe(family.rounds, 1, false),
      expect: exits(EXIT_CODES.OK, family.firstLine + family.lastLine),
    }),
    guest({
      ...common,
      name: `${family.name}-pvh`,
      format: 'elf-pvh',
      mode: 'protected',
      shows: `${family.shows}; endless, starts through PVH as well`,
      build: recipe(0, 0, true),
      expect: ends('endless', family.firstLine),
    }),
  ];
}

const memoryWriter = (name: string, ring: 0 | 3, stride: number, checksum: string) =>
  writer({
    name,
    shows: `writes 64 pages a round in ring ${ring}, ${stride ? 'in order' : 'at random'}`,
    source: 'writers/memory-writer.c',
    defines: { RING: ring, STRIDE: stride },
    rounds: 100,
    firstLine: `memory-writer: ring ${ring}, 64 pages a round in 256 pages at 0x400000\n`,
    lastLine: `memory-writer: 100 rounds, 6400 writes, checksum ${checksum}\n`,
  });

const checksumWriter = (cpus: number) =>
  writer({
    name: `checksum-writer-${cpus}`,
    shows: `${cpus} writer${cpus === 1 ? '' : 's'} of pages with checksums, in ring 3`,
    source: 'writers/checksum-writer.c',
    options: { cpus, irqchip: 'yes' },
    rounds: 20,
    firstLine: `checksum-writer: ${cpus} processors, 64 pages each\n`,
    lastLine: `checksum-writer: 20 rounds on ${cpus} processors\n`,
    deterministic: cpus === 1,
  });

export const WRITERS: readonly Guest[] = [
  ...memoryWriter('memory-writer', 0, 0, '120c75c21dc7dfa3'),
  ...memoryWriter('ring3-writer', 3, 1, '120c75c21dc7d088'),
  ...writer({
    name: 'stamp',
    shows: 'stamps random pages with the iteration',
    source: 'writers/stamp.c',
    rounds: 100,
    firstLine: 'stamp: 16 of 512 pages an iteration\n',
    lastLine: 'stamp: 100 iterations, random state 608d72f40dd3d2c9\n',
  }),
  ...writer({
    name: 'edge',
    shows: 'adds one to a byte of each page in order',
    source: 'writers/edge.c',
    rounds: 20,
    firstLine: 'edge: one byte in each of 256 pages\n',
    lastLine: 'edge: 5120 additions\n',
  }),
  ...[1, 2, 4].flatMap(checksumWriter),
];
