/** Lesson 11: a checkpoint of a guest that runs on. Pre-copy rounds, then a pause in which almost nothing is left to do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, LiveSession, load, Machine, openStore, RunningMachine, SymbolTable } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

const directory = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));

// 1. A guest that writes 64 pages in turn, in ring 3, and never exits. Its vCPU has a thread; this one stays free.
using machine = Machine.create({ memory: 16 * 2 ** 20 });
const image = load(readGuest('ring3-writer', { param_pages: 64 }), { memoryMap: machine.memory.memoryMap });
bootImage(machine, image);
const counter = Number(new SymbolTable(image.symbols).byName('writer_writes')!.address);
const running = await RunningMachine.start(machine);
const ended = running.run();
while (machine.memory.readUint(counter, 8) < 1000n) await new Promise(setImmediate);

// 2. The first checkpoint has all that the guest ever touched: copied in rounds while it runs. A page written after it
//    was copied is dirty again, and copied again. When few are left, the vCPU is paused for the last of them.
using store = openStore(directory, { create: true });
const live = await LiveSession.start(running, store);
const first = await live.checkpoint({ tags: ['first'] });
console.log(`first: rounds before the pause: ${first.stats.rounds}; pages copied in it: ${first.stats.pausedPages}`);

// 3. The second has what changed since, according to the dirty log. Compression and writing are done by another thread,
//    after the pause, while the guest already runs.
const before = machine.memory.readUint(counter, 8);
const second = await live.checkpoint({ tags: ['second'] });
const wrote = machine.memory.readUint(counter, 8) - before;
console.log(`second: ${second.stats.pages} pages, the guest stood still for ${(second.stats.pauseUs ?? 0) / 1000} ms`);
console.log(`while it was taken and written the guest went on: ${wrote > 0n}`);

// 4. A bound on the pause. When more is left than can be copied in that time, there is no checkpoint, and nothing is lost.
try {
  await live.checkpoint({ maxPauseMs: 0.000_001 });
} catch (error) {
  console.log((error as Error).message.split(';')[0]);
}

// 5. Back to the first, in place: the counter is what it was then, and the guest counts on from there.
using checkpoint = store.open('first');
running.pause();
live.session.rollback(checkpoint);
console.log(`rolled back: ${machine.memory.readUint(counter, 8) < before}`);
running.stop();
console.log(`the run ended: ${(await ended).reason}`);
await live.close();
await running.close();
rmSync(directory, { recursive: true });
