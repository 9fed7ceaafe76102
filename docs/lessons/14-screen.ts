/** Lesson 14: the text screen. A guest prints without an exit, since the screen is memory; who looks at it must not disturb. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, CheckpointSession, LocalMachine, load, Machine, openStore, PAGE_SIZE } from 'vmlapse';
import { DirtyTracker } from 'vmlapse/snapshot';

const GUEST = [
  'b800b88ec0', // mov ax, 0xb800; mov es, ax
  'bf4001be2080b41f', // mov di, row 2; mov si, text; mov ah, 0x1f
  'ac84c07403abebf8', // lodsb; test al, al; jz out; stosw: a character and its colours; and again
  'e6f4', // out 0xf4, al: the run ends
  '26fe064e01e6f4ebf7', // inc byte es:[0x14e]: the digit; out 0xf4, al; and again
];
const SCREEN = 0xb8000;
const COLUMNS = 80;

// 1. A machine, and a guest that prints and then counts. Its OUT to the debug-exit port ends a run; the next goes on there.
using machine = Machine.create({ memory: 2 ** 20 });
const bytes = Buffer.concat([Buffer.from(GUEST.join(''), 'hex'), Buffer.from('ticks: 0\0')]);
bootImage(machine, load(bytes, { format: 'flat', mode: 'real', load: 0x8000, memoryMap: machine.memory.memoryMap }));
using local = new LocalMachine(machine);
const tracker = new DirtyTracker(machine);

// 2. What is on the screen? Every second byte from 0xb8000 on is a character.
const rowOf = (screen: Uint8Array, row: number) =>
  Buffer.from(screen.filter((_, i) => i % 2 === 0).subarray(row * COLUMNS, (row + 1) * COLUMNS)).toString('latin1');
const look = () => machine.memory.read(SCREEN, 25 * COLUMNS * 2);
const { exits } = local.run();
console.log(`row 2: "${rowOf(look(), 2).slice(0, 8)}", after ${exits.IO} exit`);
const [code, attribute] = look().subarray(2 * COLUMNS * 2);
console.log(`its first cell: code 0x${code!.toString(16)}, colour ${attribute! & 15} on ${attribute! >> 4}`);

// 3. Has the guest written the screen's page? KVM knows: that is its dirty log. (A host may log more pages than were written.)
const isDirty = (reader: DirtyTracker) => {
  let found = false;
  reader.syncDirtyLog(true);
  reader.forEachRange(reader.take(), (gpa, length) => (found ||= gpa <= SCREEN && SCREEN < gpa + length));
  return found;
};
console.log(`the screen's page is dirty: ${isDirty(tracker)}, and after that look: ${isDirty(tracker)}`);

// 4. The log is one for the machine. Of two readers, the first gets the page, and the second never hears of it.
const second = new DirtyTracker(machine);
local.run();
console.log(`dirty for the screen's reader: ${isDirty(tracker)}; for the checkpoints' reader: ${isDirty(second)}`);
for (const reader of [second, tracker]) reader[Symbol.dispose]();

// 5. So the screen is compared, and the log left to checkpoints. They have the screen, because they have the memory.
const directory = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));
using store = openStore(directory, { create: true });
using session = new CheckpointSession(local, store);
using checkpoint = store.open(session.checkpoint().digest);
const before = look();
local.run();
console.log(`changed: ${Buffer.compare(before, look()) !== 0}; now "${rowOf(look(), 2).slice(0, 8)}"`);
const page = new Uint8Array(PAGE_SIZE);
checkpoint.readPages([SCREEN], page);
console.log(`in the checkpoint: "${rowOf(page, 2).slice(0, 8)}"`);
rmSync(directory, { recursive: true });
