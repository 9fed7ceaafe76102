/** Exercise 16: two checkpoints, and what one round of the guest changes, by the guest's own names. */
import { bootImage, CheckpointSession, diff, LocalMachine, load, Machine, openStore, SymbolTable } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

const machine = Machine.create({ memory: 16 * 2 ** 20 });
const image = load(readGuest('compute-ring3'), { memoryMap: machine.memory.memoryMap });
bootImage(machine, image);
const symbols = new SymbolTable(image.symbols);

// The guest prints a greeting, then a line after each round. It is stopped when `wanted` lines are there.
let lines = 0;
let wanted = 3;
const local = new LocalMachine(machine, {
  output: (_, bytes) => {
    for (const byte of bytes) if (byte === 10) lines++;
  },
  served: () => (lines >= wanted ? { reason: 'stop-point' } : undefined),
});
const store = openStore(process.env.VMLAPSE_STORE ?? '.vmlapse', { create: true });
const session = new CheckpointSession(local, store);

// ▼ Your part: run the guest (local.run()) and take a checkpoint with the tag "two" (session.checkpoint({ tags: ['two'] }));
//   let it go on for one more line, and take another, "three". Then compare them: diff(before, after, { symbols }), where
//   before and after are store.open(tag). Print the name of each of memory.places, one a line.
//- local.run();
local.run();
session.checkpoint({ tags: ['two'] });
wanted = 4;
local.run();
session.checkpoint({ tags: ['three'] });
const { memory } = diff(store.open('two'), store.open('three'), { symbols });
for (const { name } of memory.places) console.log(name);
// ▲ End of your part.

session[Symbol.dispose]();
store[Symbol.dispose]();
