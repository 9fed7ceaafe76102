/** Lesson 19: a virtqueue. A driver and a device share three pieces of memory; one exit tells the device to look. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootImage, LocalMachine, load, Machine } from 'vmlapse';

const DEVICE = 0xfeb0_0000; // the first disk's registers
const [DESCRIPTORS, AVAILABLE, USED] = [0x20_0000, 0x20_1000, 0x20_2000];
const [HEADER, DATA, STATUS] = [0x20_3000, 0x20_4000, 0x20_5000];

// 1. What the driver writes into registers to set the device up. A store of 4 bytes is "mov [rbx + register], value".
const SET_UP = '70=1 70=3 24=1 20=1 70=b 30=0 38=4 80=200000 90=201000 a0=202000 44=1 70=f';
const NOTIFY = '50=0';
const le32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString('hex');
const stores = (text: string) => text.replace(/\w+/g, (hex) => le32(Number.parseInt(hex, 16))).replace(/^| /g, 'c783');
const OUT = 'e6f4'; // out 0xf4, al: the run ends, and the next one goes on behind it
const code = `bb${le32(DEVICE)}${stores(SET_UP)}${OUT}${stores(NOTIFY)}${OUT}`.replaceAll('=', '');

// 2. A machine with a disk, whose sector 7 has a text. The guest runs the first part of its code.
const folder = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));
const path = join(folder, 'disk.img');
const content = Buffer.alloc(16 * 512);
content.write('Hello from sector 7', 7 * 512);
writeFileSync(path, content);
using machine = Machine.create({ memory: 4 * 2 ** 20, disks: [{ path }] });
const { memory } = machine;
const place = { format: 'flat', mode: 'long', load: 0x10_0000, memoryMap: memory.memoryMap } as const;
bootImage(machine, load(Buffer.from(code, 'hex'), place));
using local = new LocalMachine(machine);
console.log(`the device is set up: ${local.run().exits.MMIO} exits`);

// 3. A request is a chain of buffers: what to do, where the data goes, how it went. Its first descriptor is put into a ring.
const [NEXT, WRITE] = [1, 2];
const descriptor = (gpa: number, length: number, flags: number, next: number) => [gpa, 0, length, flags | (next << 16)];
const chain = [
  ...descriptor(HEADER, 16, NEXT, 1),
  ...descriptor(DATA, 512, NEXT | WRITE, 2), // WRITE: by the device
  ...descriptor(STATUS, 1, WRITE, 0),
];
memory.write(HEADER, Buffer.from(BigUint64Array.of(0n, 7n).buffer)); // read; sector 7
memory.write(DESCRIPTORS, Buffer.from(Uint32Array.from(chain).buffer));
memory.write(AVAILABLE, Buffer.from(Uint16Array.of(1, 1, 0).buffer)); // no interrupt, please; 1 chain so far; it begins at 0

// 4. One write to the notify register, and the device has served what it found.
const used = () => new DataView(memory.read(USED, 12).buffer);
const shown = () => `used index ${used().getUint16(2, true)}, bytes written ${used().getUint32(8, true)}`;
console.log(`before: ${shown()}`);
const { MMIO: before = 0 } = local.counts().exits;
local.run();
console.log(`after ${local.counts().exits.MMIO! - before} exit: ${shown()}`);
console.log(`status ${memory.readUint(STATUS, 1)}, data "${Buffer.from(memory.read(DATA, 19)).toString()}"`);
rmSync(folder, { recursive: true });
