/** Lesson 7: checkpoints. What a machine is, saved; only what has changed, saved again; either brought back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, LocalMachine, load, Machine, SymbolTable } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';
import { CheckpointSession, openStore, restoreMachine } from 'vmlapse/snapshot';

const directory = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));
const print = (_: string, bytes: Uint8Array) => void process.stdout.write(bytes);

{
  // 1. A guest that writes eight pages a round, stopped after ten rounds.
  using machine = Machine.create({ memory: 16 * 2 ** 20 });
  const image = load(readGuest('memory-writer-bounded', { param_pages: 8 }), { memoryMap: machine.memory.memoryMap });
  bootImage(machine, image);
  const symbols = new SymbolTable(image.symbols);
  const counter = Number(symbols.byName('writer_rounds')!.address);
  const rounds = () => machine.memory.readUint(counter, 8);
  let target = 10n;
  const served = () => (rounds() >= target ? ({ reason: 'stop-point' } as const) : undefined);
  using local = new LocalMachine(machine, { output: print, served });
  using store = openStore(directory, { create: true });
  using session = new CheckpointSession(local, store); // KVM logs dirty pages from here on

  // 2. The first checkpoint has everything, the second what one more round has changed.
  local.run();
  const first = session.checkpoint({ tags: ['ten'] });
  console.log(`after ${rounds()} rounds: ${first.stats.pages} pages, everything the guest ever touched`);
  target = 11n;
  local.run();
  const second = session.checkpoint({ tags: ['eleven'] });
  console.log(`after ${rounds()} rounds: ${second.stats.pages} pages, what one round has changed`);

  // 3. What differs? Only pages that the two do not share are looked at.
  using ten = store.open('ten');
  using eleven = store.open('eleven');
  const changed = eleven.pagesUnlike(ten);
  const named = changed.filter((gpa) => counter >= gpa && counter < gpa + 4096);
  const written = changed.filter((gpa) => gpa >= 0x40_0000).length;
  console.log(`${written} pages of the writer's area differ, and ${named.length} that holds writer_rounds`);

  // 4. Back in place: the same machine, only the pages that differ.
  session.rollback(ten);
  console.log(`rolled back: ${rounds()} rounds`);
}

// 5. Back from the store alone, as another process would do it.
using store = openStore(directory, { readOnly: true });
using ten = store.open('ten');
const restored = restoreMachine(ten);
using machine = restored.machine;
using local = new LocalMachine(machine, { output: print });
restored.load(local);
console.log(`the restored machine ended by ${local.run().reason}`);
rmSync(directory, { recursive: true });
