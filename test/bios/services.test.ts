import { describe, expect, it } from 'vitest';
import { Caller } from './caller.ts';

describe('INT 11h, 12h and 15h', () => {
  it('tell of the machine and its memory', () => {
    using bios = new Caller();
    expect(bios.int(0x11).ax).toBe(0x0222);
    expect(bios.int(0x12).ax).toBe(639);
    expect(bios.int(0x15, { ax: 0x8800 })).toMatchObject({ ax: 31 * 1024, carry: false });
    expect(bios.int(0x15, { ax: 0xe801 })).toMatchObject({
      ax: 15 * 1024,
      bx: 256,
      cx: 15 * 1024,
      dx: 256,
      carry: false,
    });
    const configuration = bios.int(0x15, { ax: 0xc000 });
    expect(configuration).toMatchObject({ es: 0xf000, carry: false });
    expect(bios.memory.readUint(0xf_0000 + configuration.bx + 2, 1)).toBe(0xfcn);
    expect(bios.int(0x15, { ax: 0xc100 }).es).toBe(0x9fc0);
    expect(bios.notes).toEqual([]);
  });

  it('give the memory map entry by entry', () => {
    using bios = new Caller();
    const entries = [];
    let ebx = 0;
    do {
      const left = bios.int(0x15, { eax: 0xe820, ebx, ecx: 20, edx: 0x534d_4150, es: 0x1000, edi: 0x20 });
      expect(left).toMatchObject({ carry: false, eax: 0x534d_4150, cx: 20 });
      const at = (offset: number, width: 4 | 8) => Number(bios.memory.readUint(0x1_0020 + offset, width));
      entries.push({ base: at(0, 8), size: at(8, 8), type: at(16, 4) });
      ebx = left.ebx;
    } while (ebx !== 0);
    expect(entries).toEqual(bios.memory.memoryMap);
    expect(bios.int(0x15, { eax: 0xe820, ebx: 99, ecx: 20, edx: 0x534d_4150 }).carry).toBe(true);
    expect(bios.int(0x15, { eax: 0xe820, ecx: 20 }).carry).toBe(true);
  });

  it('move blocks, also above 1 MiB, and say where there is no memory', () => {
    using bios = new Caller();
    bios.memory.write(0x5000, Buffer.from('over the top'));
    const descriptor = (base: number) => [
      0xff,
      0xff,
      base & 0xff,
      (base >> 8) & 0xff,
      (base >> 16) & 0xff,
      0x93,
      0,
      base >>> 24,
    ];
    bios.memory.write(0x6010, Uint8Array.from([...descriptor(0x5000), ...descriptor(0x123_4560)]));
    expect(bios.int(0x15, { ax: 0x8700, cx: 6, es: 0x600 })).toMatchObject({ ax: 0, carry: false });
    expect(Buffer.from(bios.memory.read(0x123_4560, 12)).toString()).toBe('over the top');
    bios.memory.write(0x6018, Uint8Array.from(descriptor(0xfe00_0000)));
    expect(bios.int(0x15, { ax: 0x8700, cx: 6, es: 0x600 })).toMatchObject({ ax: 0x0200, carry: true });
    expect(bios.notes).toEqual(['move: INT 15h AH=87h: 12 bytes from 0x5000 to 0xfe000000 are not all in RAM']);
  });

  it('wait until the time is over, by calls that are made again', () => {
    using bios = new Caller();
    const wait = () => bios.int(0x15, { ax: 0x8600, cx: 1, dx: 0 });
    expect(wait().waits).toBe(true);
    bios.now += 65;
    expect(wait().waits).toBe(true);
    bios.now += 1;
    expect(wait()).toMatchObject({ waits: false, carry: false });
    expect(wait().waits).toBe(true);
  });

  it('say that A20 is open, and that it cannot be closed', () => {
    using bios = new Caller();
    expect(bios.int(0x15, { ax: 0x2402 })).toMatchObject({ ax: 1, carry: false });
    expect(bios.int(0x15, { ax: 0x2401 })).toMatchObject({ ax: 1, carry: false });
    expect(bios.int(0x15, { ax: 0x2403 })).toMatchObject({ bx: 3, carry: false });
    expect(bios.int(0x15, { ax: 0x2400 })).toMatchObject({ ax: 0x8600, carry: true });
    expect(bios.notes.join()).toMatch(/addresses do not wrap/);
  });

  it('name what is not there', () => {
    using bios = new Caller();
    expect(bios.int(0x15, { ax: 0x5300 })).toMatchObject({ ax: 0x8600, carry: true });
    expect(bios.int(0x15, { ax: 0x7777 })).toMatchObject({ ax: 0x8677, carry: true });
    bios.int(0x1a, { ax: 0xb101 });
    bios.int(0x21, { ax: 0x4c00 });
    bios.int(0x17);
    bios.int(0x60);
    expect(bios.notes).toEqual([
      'int 21 83: INT 15h AX=5300h: this machine has no APM',
      'int 21 119: INT 15h AX=7777h: the BIOS of this machine does not serve it',
      'int 26 177: INT 1Ah AX=B101h: this machine has no PCI BIOS: its PCI bus is empty',
      'int 33: INT 21h: this machine has no DOS',
      'int 23: INT 17h: this machine has no printer',
      'int 96: INT 60h: the BIOS of this machine does not serve it',
    ]);
  });
});

describe('INT 16h', () => {
  const read = (bios: Caller, ah = 0) => bios.int(0x16, { ax: ah << 8 });

  it('waits for a key, and gives it', () => {
    using bios = new Caller();
    expect(read(bios).waits).toBe(true);
    expect(bios.int(0x16, { ax: 0x0100 }).zero).toBe(true);
    bios.keys(0x1e, 0x9e);
    expect(bios.int(0x16, { ax: 0x0100 })).toMatchObject({ zero: false, ax: 0x1e61 });
    expect(read(bios)).toMatchObject({ waits: false, ax: 0x1e61 });
    expect(read(bios).waits).toBe(true);
  });

  it.each([
    ['Shift', [0x2a, 0x1e, 0x9e, 0xaa], 0x1e41],
    ['Shift and a digit', [0x36, 0x03, 0x83, 0xb6], 0x0340],
    ['Caps Lock', [0x3a, 0xba, 0x1e, 0x9e], 0x1e41],
    ['Caps Lock and Shift', [0x3a, 0xba, 0x2a, 0x1e], 0x1e61],
    ['Caps Lock and a digit', [0x3a, 0xba, 0x02], 0x0231],
    ['Ctrl', [0x1d, 0x2e, 0xae, 0x9d], 0x2e03],
    ['Alt', [0x38, 0x10], 0x1000],
    ['Alt and a digit', [0x38, 0x02], 0x7800],
    ['Enter', [0x1c], 0x1c0d],
    ['Backspace', [0x0e], 0x0e08],
    ['Esc', [0x01], 0x011b],
    ['F1', [0x3b], 0x3b00],
    ['Shift F1', [0x2a, 0x3b], 0x5400],
    ['Shift Tab', [0x2a, 0x0f], 0x0f00],
    ['keypad 7', [0x47], 0x4700],
    ['Num Lock and keypad 7', [0x45, 0xc5, 0x47], 0x4737],
    ['up', [0xe0, 0x48, 0xe0, 0xc8], 0x4800],
    ['Enter of the keypad', [0xe0, 0x1c], 0x1c0d],
    ['delete', [0xe0, 0x53], 0x5300],
  ])('%s', (_name, codes, word) => {
    using bios = new Caller();
    bios.keys(...codes);
    expect(read(bios).ax).toBe(word);
    expect(read(bios).waits).toBe(true);
  });

  it('tells grey keys from those of the keypad to those who ask', () => {
    using bios = new Caller();
    bios.keys(0xe0, 0x48);
    expect(read(bios, 0x10).ax).toBe(0x48e0);
    expect(bios.int(0x16, { ax: 0x1200 }).ax & 0xff).toBe(0);
  });

  it('holds the keyboard back while the buffer is full, and loses no key', () => {
    using bios = new Caller();
    for (let n = 0; n < 15; n++) bios.keys(0x02 + (n % 9));
    expect(bios.bus.bus.portIn(0x64, 1) & 0x01).toBe(0);
    bios.bus.bus.portOut(0x64, 1, 0x20);
    expect(bios.bus.bus.portIn(0x60, 1) & 0x10).toBe(0x10);
    expect(read(bios).ax).toBe(0x0231);
    bios.bus.bus.portOut(0x64, 1, 0x20);
    expect(bios.bus.bus.portIn(0x60, 1) & 0x10).toBe(0);
    for (let n = 1; n < 15; n++) expect(read(bios).ax >> 8).toBe(0x02 + (n % 9));
  });

  it('takes a word as if it were typed, and tells the shift keys', () => {
    using bios = new Caller();
    expect(bios.int(0x16, { ax: 0x0500, cx: 0x1e61 }).ax & 0xff).toBe(0);
    expect(read(bios).ax).toBe(0x1e61);
    bios.keys(0x2a, 0x1d);
    expect(bios.int(0x16, { ax: 0x0200 }).ax & 0xff).toBe(0x06);
  });

  it('resets at Ctrl-Alt-Delete', () => {
    using bios = new Caller();
    bios.keys(0x1d, 0x38);
    expect(bios.int(0x09, { ax: 0x53 }).end).toEqual({ reason: 'reset' });
  });
});

describe('INT 1Ah', () => {
  it('counts ticks and tells midnight once', () => {
    using bios = new Caller();
    bios.int(0x1a, { ax: 0x0100, cx: 0x12, dx: 0x3456 });
    bios.memory.write(0x470, Uint8Array.of(1));
    expect(bios.int(0x1a)).toMatchObject({ ax: 1, cx: 0x12, dx: 0x3456 });
    expect(bios.int(0x1a).ax).toBe(0);
  });

  it('reads and sets the clock', () => {
    using bios = new Caller();
    expect(bios.int(0x1a, { ax: 0x0400 })).toMatchObject({ cx: 0x2024, dx: 0x0229, carry: false });
    expect(bios.int(0x1a, { ax: 0x0200 })).toMatchObject({ cx: 0x1305, dx: 0x0900, carry: false });
    bios.int(0x1a, { ax: 0x0300, cx: 0x2359, dx: 0x5800 });
    expect(bios.int(0x1a, { ax: 0x0200 })).toMatchObject({ cx: 0x2359, dx: 0x5800 });
  });
});

describe('what ends a run', () => {
  it('is INT 18h and 19h', () => {
    using bios = new Caller();
    expect(bios.int(0x18).end).toEqual({ reason: 'halted' });
    expect(bios.int(0x19).end).toEqual({ reason: 'reset' });
    expect(bios.notes.join()).toMatch(/nothing to boot/);
  });

  it('is an exception that would come again, told where it was', () => {
    using bios = new Caller();
    expect(bios.int(0).end).toEqual({ reason: 'exception', detail: { vector: 0, name: 'divide error' } });
    expect(bios.int(6).end).toMatchObject({ detail: { name: 'invalid opcode' } });
    expect(bios.int(13).end).toMatchObject({ detail: { name: 'general protection fault' } });
  });

  it('is not a trap, nor an interrupt of a device', () => {
    using bios = new Caller();
    expect(bios.int(3).end).toBeUndefined();
    expect(bios.notes).toEqual([
      'breakpoint: INT 03h: breakpoint before 0000:7c12, and the program has no handler for it',
    ]);
    bios.served = 1 << 5;
    expect(bios.int(13).end).toBeUndefined();
    expect(bios.int(0x70).end).toBeUndefined();
    expect(bios.notes).toHaveLength(1);
  });
});

describe('a call in a trace', () => {
  it('has its name and registers, before and after', () => {
    using bios = new Caller();
    expect(bios.int(0x12, { ax: 5, es: 0x100 }).text).toBe(
      'INT 12h memory below 640 KiB: AX=0005 BX=0000 CX=0000 DX=0000 SI=0000 DI=0000 BP=0000 DS=0000 ES=0100 CF=0 -> AX=027f BX=0000 CX=0000 DX=0000 SI=0000 DI=0000 BP=0000 DS=0000 ES=0100 CF=0',
    );
    expect(bios.int(0x16).text).toMatch(/^INT 16h read key: .* -> wait$/);
  });
});
