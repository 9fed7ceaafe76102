/** Lesson 12: what changed between two moments? State by field, memory by symbol. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, CheckpointSession, diff, LocalMachine, load, Machine, openStore, SymbolTable } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

const directory = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));

// 1. The guest "compute" prints a line after each round over its memory. It is stopped after two lines, and after three.
using machine = Machine.create({ memory: 16 * 2 ** 20 });
const image = load(readGuest('compute'), { memoryMap: machine.memory.memoryMap });
bootImage(machine, image);
let lines = 0;
let wanted = 3; // one line of greeting, then a line a round
const output = (_: string, bytes: Uint8Array) => {
  for (const byte of bytes) if (byte === 10) lines++;
};
const served = () => (lines >= wanted ? ({ reason: 'stop-point' } as const) : undefined);
using local = new LocalMachine(machine, { output, served });
using store = openStore(directory, { create: true });
using session = new CheckpointSession(local, store);
local.run();
session.checkpoint({ tags: ['two'] });
wanted = 4;
local.run();
session.checkpoint({ tags: ['three'] });

// 2. Two checkpoints share the pages that did not change, so only few pages are read. Symbols give the bytes names.
using two = store.open('two');
using three = store.open('three');
const symbols = new SymbolTable(image.symbols);
const { memory, state } = diff(two, three, { symbols });
console.log(`${memory.pagesCompared} pages compared, ${memory.pagesChanged} differ`);
for (const { name, section } of memory.places.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
  console.log(`  ${name}${section ? ` (${section})` : ''}`);
}

// 3. A small variable is shown as a number, before and after.
const round = memory.ranges.find(({ symbol }) => symbol?.name === 'compute_round')!;
console.log(`compute_round: ${round.value!.before} -> ${round.value!.after}`);

// 4. Registers, devices and chips are compared field by field.
console.log(
  `state that differs: ${state.some(({ path }) => path === 'vm/clock') ? 'the clock, among others' : 'no clock'}`,
);

// 5. A checkpoint can be compared with the machine as it is now. A write by the host counts, too.
machine.memory.write(Number(symbols.byName('compute_round')!.address), Uint8Array.of(99));
const now = diff(three, session, { symbols });
console.log(`since then: ${now.memory.ranges.map(({ symbol }) => symbol?.name).join(', ')}`);
rmSync(directory, { recursive: true });
