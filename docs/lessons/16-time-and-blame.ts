/** Lesson 16: a run that can be run again, and who wrote that. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, load, Machine, openHistory, openStore, Recorder, SymbolTable } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

const directory = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));
using store = openStore(directory, { create: true });

// 1. The guest "overrun" has a bug. A recorded machine has no chips in the kernel: all that it is given can be written down.
using machine = Machine.create({ memory: 16 * 2 ** 20, irqchip: false });
const image = load(readGuest('overrun'), { memoryMap: machine.memory.memoryMap });
bootImage(machine, image);
let said = '';
const output = (_: string, bytes: Uint8Array) => {
  said += Buffer.from(bytes).toString();
};
{
  using recorder = new Recorder(machine, store, { output });
  const { value } = recorder.run();
  console.log(`${said}exit status ${value}, ${recorder.finish().exits} exits recorded`);
}

// 2. The recording is run again in a machine of its own. Each exit is compared, and in the end all state and memory.
using history = openHistory(store);
history.seek(history.end);
console.log(`run again: ${history.position.exits} exits, all the same`);

// 3. Who has changed the second account's balance last?
const symbols = new SymbolTable(image.symbols);
const accounts = Number(symbols.byName('accounts')!.address);
const balance = { gpa: accounts + 24, length: 8 };
const last = history.lastWrite(balance)!;
console.log(`${symbols.describe(last.rip!)!.split('+')[0]}: ${text(last.old)} -> ${text(last.new)}`);

// 4. All its changes, newest first: the first is the one that was meant.
for (const { rip, new: value, position } of history.writes(balance))
  console.log(`  after exit ${position.exits}: ${symbols.describe(rip!)!.split('+')[0]} makes it ${text(value)}`);

// 5. Back to where it is about to be written, and one step forward and back.
history.seek(last.position);
const now = () => text(history.machine.memory.read(balance.gpa, 8));
const values = [now()];
history.step();
values.push(now());
history.stepBack();
values.push(now());
console.log(values.join(', '));
rmSync(directory, { recursive: true });

/** A little-endian number, in hexadecimal. */
function text(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).readBigUInt64LE().toString(16)}`;
}
