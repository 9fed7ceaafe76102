import { describe, expect, it } from 'vitest';
import { KvmSregs } from '../../src/abi/structs.ts';
import type { CpuMode } from '../../src/machine/entry.ts';
import { descriptorTables, enterMode } from '../../src/machine/modes.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { boot, run, withMachine } from '../support/machines.ts';

/** Ends the run with the value of AL. Same bytes in all modes. */
const EXIT = 'e6 f4 ; out 0xf4, al';
const RESULT = 0x5000;

describeKvm('a guest entered in', () => {
  it('real mode computes with 16 bits and reaches its segments', () => {
    withMachine({}, (machine) => {
      boot(
        machine,
        code(`
          bb ff ff       ; mov bx, 0xffff
          83 c3 03       ; add bx, 3          wraps to 2
          b8 00 05       ; mov ax, 0x500
          8e d8          ; mov ds, ax
          89 1e 00 00    ; mov [0], bx        at 0x5000
          8c c8          ; mov ax, cs
          a3 02 00       ; mov [2], ax
          b0 07 ${EXIT}`),
        { mode: 'real' },
      );
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 7 });
      expect(machine.memory.readUint(RESULT, 4)).toBe(2n);
    });
  });

  it('protected mode computes with 32 bits, without paging, and can reload its segments', () => {
    withMachine({}, (machine) => {
      const at = boot(
        machine,
        code(`
          b8 ff ff 01 00          ; mov eax, 0x1ffff
          83 c0 03                ; add eax, 3
          a3 00 50 00 00          ; mov [0x5000], eax
          66 b8 18 00             ; mov ax, 0x18
          8e d8 8e c0 8e d0       ; mov ds, es, ss = ax
          ea 1e 00 10 00 08 00    ; jmp 0x08:next
          0f 20 c0                ; next: mov eax, cr0
          a3 04 50 00 00          ; mov [0x5004], eax
          53 5b                   ; push ebx; pop ebx
          89 1d 08 50 00 00       ; mov [0x5008], ebx
          b0 08 ${EXIT}`),
        { mode: 'protected', regs: { rbx: 0x1234_5678n } },
      );
      expect(at).toBe(0x10_0000);
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 8 });
      expect(machine.memory.readUint(RESULT, 4)).toBe(0x2_0002n);
      expect(machine.memory.readUint(RESULT + 4, 4) & 0x8000_0001n, 'PE without PG').toBe(1n);
      expect(machine.memory.readUint(RESULT + 8, 4)).toBe(0x1234_5678n);
    });
  });

  it('long mode computes with 64 bits, has a stack, and can reload its segments', () => {
    withMachine({}, (machine) => {
      boot(
        machine,
        code(`
          48 b8 ff ff ff ff ff ff ff 7f  ; mov rax, 0x7fffffffffffffff
          48 83 c0 02                    ; add rax, 2
          48 a3 00 50 00 00 00 00 00 00  ; mov [0x5000], rax
          66 b8 18 00                    ; mov ax, 0x18
          8e d8 8e d0                    ; mov ds, ss = ax
          6a 10                          ; push 0x10
          48 8d 05 03 00 00 00           ; lea rax, [next]
          50                             ; push rax
          48 cb                          ; retfq
          0f 20 d8                       ; next: mov rax, cr3
          48 a3 08 50 00 00 00 00 00 00  ; mov [0x5008], rax
          66 0f 00 c9                    ; str cx
          89 c8 ${EXIT}`),
        { mode: 'long' },
      );
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 0x20 });
      expect(machine.memory.readUint(RESULT, 8)).toBe(0x8000_0000_0000_0001n);
      expect(machine.memory.readUint(RESULT + 8, 8)).toBe(0x1000n);
    });
  });

  it.each(['real', 'protected', 'long'] as const)(
    '%s mode starts with the registers asked for, the others cleared',
    (mode) => {
      withMachine({}, (machine) => {
        boot(machine, code('f4'), { mode, regs: { rax: 0x1122n, rsi: 0x3344n } });
        using vcpu = machine.createVcpu(0);
        const regs = vcpu.getRegs();
        expect(regs).toMatchObject({ rax: 0x1122n, rsi: 0x3344n, rbx: 0n, rdx: 0n, rdi: 0n, rflags: 2n });
        expect(regs.rsp).toBe(mode === 'real' ? 0n : 0x9_f000n);
      });
    },
  );

  it('real mode at the reset vector starts at CS:IP as given', () => {
    withMachine({}, (machine) => {
      const rom = new Uint8Array(0x1_0000).fill(0xf4);
      rom.set(code(`b0 2a ${EXIT}`), 0xfff0);
      machine.addRom(0xffff_0000, rom);
      machine.setBoot({ mode: 'real', rip: 0xfff0n, cs: { selector: 0xf000, base: 0xffff_0000 } }, []);
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 0x2a });
    });
  });

  it('any mode halts for good when it stops with interrupts off', () => {
    for (const mode of ['real', 'protected', 'long'] as const) {
      withMachine({ irqchip: false }, (machine) => {
        boot(machine, code('fa f4 ; cli; hlt'), { mode });
        expect(run(machine)).toMatchObject({ reason: 'halted', exits: { HLT: 1 } });
      });
    }
  });

  it('any mode that faults without an IDT shuts down, which ends the run', () => {
    for (const mode of ['protected', 'long'] as const) {
      withMachine({}, (machine) => {
        boot(machine, code('0f 0b ; ud2'), { mode });
        expect(run(machine).reason).toBe('shutdown');
      });
    }
  });
});

describe('the entry state of', () => {
  const tables = { descriptors: 0x9000, pageTables: 0x1000 };
  const sregsFor = (mode: CpuMode, cs?: { selector: number; base: number }) => {
    const sregs = KvmSregs.alloc();
    enterMode(sregs, tables, { mode, rip: 0n, ...(cs && { cs }) });
    return sregs;
  };

  it('real mode has 64 KiB segments at 0 and an interrupt table of 256 vectors', () => {
    const sregs = sregsFor('real', { selector: 0x1000, base: 0x1_0000 });
    expect(sregs.cs).toMatchObject({ selector: 0x1000, base: 0x1_0000n, limit: 0xffff, present: 1 });
    expect(sregs.ds).toMatchObject({ selector: 0, base: 0n, limit: 0xffff });
    expect(sregs.idt).toMatchObject({ base: 0n, limit: 0x3ff });
    expect(sregs.cr0 & 1n).toBe(0n);
  });

  it('protected mode has flat 4 GiB segments, paging off', () => {
    const sregs = sregsFor('protected');
    expect(sregs.cs).toMatchObject({ selector: 8, base: 0n, limit: 0xffff_ffff, db: 1, l: 0, g: 1 });
    expect([sregs.cr0 & 0x8000_0001n, sregs.efer, sregs.gdt.base]).toEqual([1n, 0n, 0x9000n]);
    expect(sregs.tr).toMatchObject({ selector: 0x20, base: 0x9100n, limit: 0x67, s: 0, type: 0xb });
  });

  it('long mode has a 64-bit code segment, PAE paging and the tables at CR3', () => {
    const sregs = sregsFor('long');
    expect(sregs.cs).toMatchObject({ selector: 0x10, db: 0, l: 1 });
    expect([sregs.cr3, sregs.cr4 & 0x20n, sregs.efer & 0x500n]).toEqual([0x1000n, 0x20n, 0x500n]);
    expect(sregs.cr0 & 0x8000_0001n).toBe(0x8000_0001n);
  });

  it('all but real mode has the descriptors the segment registers hold', () => {
    const page = Buffer.from(descriptorTables(0x1234_5000));
    const descriptor = (selector: number) => page.readBigUInt64LE(selector);
    const accessAndFlags = (selector: number) => Number((descriptor(selector) >> 40n) & 0xf0ffn);
    expect([0x08, 0x10, 0x18].map(accessAndFlags)).toEqual([0xc09b, 0xa09b, 0xc093]);
    const tss = descriptor(0x20);
    const base = ((tss >> 16n) & 0xff_ffffn) | (((tss >> 56n) & 0xffn) << 24n) | (descriptor(0x28) << 32n);
    expect([base, tss & 0xffffn, accessAndFlags(0x20)]).toEqual([0x1234_5100n, 0x67n, 0x008b]);
  });
});
