import { describe, expect, it } from 'vitest';
import { CpuidFeature } from '../../src/abi/cpuid.ts';
import { plain } from '../../src/abi/struct.ts';
import { hasFeature } from '../../src/kvm/cpuid.ts';
import { Machine } from '../../src/machine/machine.ts';
import { ASSIST_TABLE } from '../../src/runner/assist/table.ts';
import { createAssist } from '../../src/runner/assist.ts';
import { FIRST_LINE_VECTOR } from '../../src/runner/line-interrupts.ts';
import { type RunHereOptions, runHere } from '../../src/runner/local-machine.ts';
import { DATA, type FlatGuest, hex, withGuest } from '../support/flat-guest.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const OUT_AL = 'e6f4'; // out 0xf4, al
const OSFXSR = '0f20e0 0d00020000 0f22e0'; // mov rax, cr4; or eax, 0x200; mov cr4, rax

/** An FXSAVE image for FXRSTOR. */
function fxImage(fcw: number, fsw: number): Uint8Array {
  const image = Buffer.alloc(512);
  image.writeUInt16LE(fcw, 0);
  image.writeUInt16LE(fsw, 2);
  image.writeUInt32LE(0x1f80, 24);
  return image;
}

const word = (value: number) => Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);

interface Case extends FlatGuest {
  readonly name: string;
  /** Debug-exit value. */
  readonly exit: number;
  /** Bytes expected at DATA + 16. */
  readonly stored?: Uint8Array;
  /** What the assist counts where KVM emulates. */
  readonly assisted: Readonly<Record<string, number>>;
  /** What makes the outcome differ on other hosts, if anything does. */
  readonly pvmOnly?: string;
}

/** Guests whose outcome is the same on every KVM; where it emulates, the assist has to help. */
const CASES: readonly Case[] = [
  {
    name: 'FWAIT goes on when no x87 exception is due',
    mode: 'long',
    code: `dbe3 9b b001 ${OUT_AL}`,
    exit: 1,
    assisted: { FWAIT: 1 },
  },
  {
    name: 'FLDCW loads what FNSTCW stores',
    mode: 'long',
    data: word(0x027f),
    code: `dbe3 d92b d97b10 b002 ${OUT_AL}`, // fninit; fldcw [rbx]; fnstcw [rbx+16]
    exit: 2,
    stored: Uint8Array.of(0x7f, 0x02),
    assisted: { FLDCW: 1 },
  },
  {
    name: 'FNSTSW gives the status word, FNCLEX clears its exceptions only',
    mode: 'long',
    data: fxImage(0x037f, 0x3825),
    // fxrstor [rbx]; fnstsw ax; mov [rbx+16], ax; fnclex; fnstsw ax; mov [rbx+18], ax
    code: `0fae0b dfe0 66894310 dbe2 dfe0 66894312 b003 ${OUT_AL}`,
    exit: 3,
    stored: Uint8Array.of(0x25, 0x38, 0x00, 0x38),
    assisted: { FNSTSW: 2, FNCLEX: 1 },
  },
  {
    name: 'STMXCSR stores what LDMXCSR loaded, through a SIB address',
    mode: 'long',
    data: word(0x1fa0),
    regs: { rcx: 4n },
    code: `${OSFXSR} 0fae13 0fae5c8b00 b004 ${OUT_AL}`, // ldmxcsr [rbx]; stmxcsr [rbx+rcx*4+0]
    exit: 4,
    stored: word(0x1fa0),
    assisted: { LDMXCSR: 1, STMXCSR: 1 },
  },
  {
    name: 'STMXCSR of a fresh vCPU stores the reset value, in 32-bit code',
    mode: 'protected',
    code: `${OSFXSR} 0fae5b10 b005 ${OUT_AL}`,
    exit: 5,
    stored: word(0x1f80),
    assisted: { STMXCSR: 1 },
  },
  {
    name: 'RDSSP without shadow stacks leaves its operand alone',
    mode: 'long',
    regs: { rax: 0x66n },
    code: `f3480f1ec8 ${OUT_AL}`,
    exit: 0x66,
    assisted: { RDSSP: 1 },
  },
  {
    name: 'POPCNT counts and sets ZF for nothing',
    mode: 'long',
    regs: { rcx: 0xffff_ffff_ffff_fff0n, rdx: 0n },
    // popcnt rax, rcx; mov [rbx+16], al; popcnt eax, edx; setz al
    code: `f3480fb8c1 884310 f30fb8c2 0f94c0 ${OUT_AL}`,
    exit: 1,
    stored: Uint8Array.of(60),
    assisted: { POPCNT: 2 },
  },
  {
    name: 'INT3 traps to its handler, and IRETQ returns behind it',
    mode: 'long',
    irqchip: true,
    handlers: { 3: 'b107 48cf' }, // mov cl, 7; iretq
    code: `cc 88c8 ${OUT_AL}`,
    exit: 7,
    assisted: { INT3: 1 },
  },
  {
    name: 'INT 0x80 and IRET in 32-bit code',
    mode: 'protected',
    irqchip: true,
    handlers: { 128: 'fec1 cf' }, // inc cl; iret
    code: `b140 cd80 cd80 88c8 ${OUT_AL}`,
    exit: 0x42,
    assisted: { INT: 2, IRET: 2 },
  },
  {
    name: 'LDMXCSR before the kernel has enabled SSE is an invalid opcode',
    mode: 'long',
    handlers: { 6: `b006 ${OUT_AL}` },
    code: '0fae13 f4',
    exit: 6,
    assisted: { LDMXCSR: 1 },
  },
  {
    name: 'LDMXCSR of a reserved bit is a general protection fault with error code 0',
    mode: 'long',
    data: word(0x10_1f80),
    handlers: { 13: `58 040d ${OUT_AL}` }, // pop rax; add al, 13
    code: `${OSFXSR} 0fae13 f4`,
    exit: 13,
    assisted: { LDMXCSR: 1 },
    pvmOnly: "a processor that is itself emulated (QEMU's TCG) takes reserved bits",
  },
  {
    name: 'x87 instructions with CR0.TS set raise "device not available" at their own address',
    mode: 'long',
    handlers: { 7: '58 884310 0f06 50 48cf' }, // pop rax; mov [rbx+16], al; clts; push rax; iretq
    code: `0f20c0 0c08 0f22c0 dfe0 b007 ${OUT_AL}`, // mov rax, cr0; or al, 8; mov cr0, rax; fnstsw ax
    exit: 7,
    stored: Uint8Array.of(0x08),
    assisted: { FNSTSW: 2 },
  },
  {
    name: 'FWAIT raises the x87 exception that is due',
    mode: 'long',
    data: fxImage(0x037e, 0x8081),
    handlers: { 16: `b010 ${OUT_AL}` },
    code: '0f20c0 0c20 0f22c0 0fae0b 9b f4', // mov rax, cr0; or al, NE; mov cr0, rax; fxrstor [rbx]; fwait
    exit: 16,
    assisted: { FWAIT: 1 },
  },
];

const OPTIONS: RunHereOptions = { assist: 'on', timeoutMs: scaled(5000) };

describeKvm('instructions in ring 0', () => {
  for (const { name, exit, stored, assisted, pvmOnly, ...guest } of CASES) {
    const test = pvmOnly && !isPvm ? it.skip : it;
    test(pvmOnly ? `${name} (PVM only: ${pvmOnly})` : name, () => {
      withGuest(guest, (machine, vcpu) => {
        const result = runHere(machine, OPTIONS, vcpu);
        expect({ reason: result.reason, value: result.value }).toEqual({ reason: 'exit-port', value: exit });
        if (stored) expect(machine.memory.read(DATA + 16, stored.length)).toEqual(stored);
        expect(result.assisted).toEqual(isPvm ? assisted : {});
      });
    });
  }
});

describeKvm('instructions whose outcome depends on the processor', () => {
  it('XGETBV reads XCR0 and XSETBV writes it, where the guest has XSAVE', () => {
    // mov rax, cr4; or eax, OSXSAVE; mov cr4, rax; xor ecx, ecx; xgetbv; mov [rbx+16], eax; or eax, 3; xsetbv; xgetbv
    const code = `0f20e0 0d00000400 0f22e0 31c9 0f01d0 894310 83c803 0f01d1 0f01d0 894314 b001 ${OUT_AL}`;
    const guest: FlatGuest = { mode: 'long', code, handlers: { 6: `b006 ${OUT_AL}`, 13: `b00d ${OUT_AL}` } };
    withGuest(guest, (machine, vcpu) => {
      const { value, assisted } = runHere(machine, OPTIONS, vcpu);
      if (!isPvm && !hasFeature(machine.config.cpuid, CpuidFeature.XSAVE)) return expect(value).toBe(13); // at CR4
      expect(value).toBe(1);
      expect(machine.memory.readUint(DATA + 16, 4)).toBe(1n);
      expect(machine.memory.readUint(DATA + 20, 4)).toBe(3n);
      expect(assisted).toMatchObject(isPvm ? { XGETBV: 2 } : {});
    });
  });

  it('XGETBV without CR4.OSXSAVE and RDPRU are invalid opcodes', () => {
    for (const instruction of ['0f01d0', '0f01fd']) {
      const guest: FlatGuest = {
        mode: 'long',
        code: `31c9 ${instruction} b001 ${OUT_AL}`,
        handlers: { 6: `b006 ${OUT_AL}` },
      };
      withGuest(guest, (machine, vcpu) => expect(runHere(machine, OPTIONS, vcpu).value, instruction).toBe(6));
    }
  });

  it('CLWB leaves memory as it is', () => {
    const code = `c60307 660fae33 8a03 ${OUT_AL}`; // mov byte [rbx], 7; clwb [rbx]; mov al, [rbx]
    withGuest({ mode: 'long', code, handlers: { 6: `b006 ${OUT_AL}` } }, (machine, vcpu) => {
      const { value, assisted } = runHere(machine, OPTIONS, vcpu);
      if (!isPvm && !hasFeature(machine.config.cpuid, CpuidFeature.CLWB)) return;
      expect(value).toBe(7);
      expect(assisted).toEqual(isPvm ? { CLWB: 1 } : {});
    });
  });

  // mov eax, TYPE; invpcid rax, [rbx]
  const invpcid = (type: number) => `b8${type.toString(16).padStart(2, '0')}000000 660f388203 b001 ${OUT_AL}`;
  const handlers = { 6: `b006 ${OUT_AL}`, 13: `58 b00d ${OUT_AL}` };

  it.each([
    { name: 'all contexts', type: 2, value: 1 },
    { name: 'an address', type: 0, value: 1 },
    { name: 'an address that is not canonical', type: 0, data: Uint8Array.of(...Array(15).fill(0), 1), value: 13 },
    { name: 'a type that there is not', type: 4, value: 13 },
    { name: 'a context of a reserved number', type: 1, data: word(0x1000), value: 13 },
    { name: 'a context while CR4.PCIDE is clear', type: 1, data: word(1), value: 13 },
  ])('INVPCID of $name', ({ type, data, value }) => {
    const guest: FlatGuest = { mode: 'long', code: invpcid(type), handlers, ...(data && { data }) };
    withGuest(guest, (machine, vcpu) => {
      const has = hasFeature(machine.config.cpuid, CpuidFeature.INVPCID);
      const { value: got, assisted } = runHere(machine, OPTIONS, vcpu);
      expect(got).toBe(isPvm || has ? value : 6);
      expect(assisted).toEqual(isPvm ? { INVPCID: 1 } : {});
    });
  });
});

describeKvm('operands in ROM', () => {
  const ROM = 0xfff0_0000;

  it('are read', () => {
    const guest: FlatGuest = {
      mode: 'long',
      code: `dbe3 d96d00 d97b10 b002 ${OUT_AL}`, // fninit; fldcw [rbp]; fnstcw [rbx+16]
      regs: { rbp: BigInt(ROM) },
    };
    withGuest(guest, (machine, vcpu) => {
      machine.addRom(ROM, word(0x027f));
      const { reason, value, assisted } = runHere(machine, OPTIONS, vcpu);
      expect({ reason, value }).toEqual({ reason: 'exit-port', value: 2 });
      expect(assisted).toEqual(isPvm ? { FLDCW: 1 } : {});
      expect(machine.memory.readUint(DATA + 16, 2)).toBe(0x027fn);
    });
  });

  it('can be read by every thread of the machine, to the last byte', () => {
    using machine = Machine.create({ memory: 2 ** 20 });
    machine.addRom(ROM, hex('7f02'));
    const borrowed = Machine.borrow(machine.handle);
    const word = new Uint8Array(2);
    expect(borrowed.readPhysical(ROM, word)).toBe(true);
    expect(word).toEqual(hex('7f02'));
    expect(borrowed.readPhysical(ROM + 4094, word)).toBe(true);
    expect(borrowed.readPhysical(ROM + 4095, word)).toBe(false);
    expect(borrowed.readPhysical(ROM - 1, word)).toBe(false);
  });
});

const hasSmap = (vcpu: { getCpuid2(): readonly { function: number; ebx: number }[] }) =>
  vcpu.getCpuid2().some((leaf) => leaf.function === 7 && (leaf.ebx >>> 20) & 1);

describeKvm('the assist', () => {
  it('sets and clears RFLAGS.AC where the processor has SMAP', () => {
    // stac; pushfq; pop rax; clac; pushfq; pop rcx; mov [rbx+16], eax; mov [rbx+20], ecx
    const code = `0f01cb 9c 58 0f01ca 9c 59 894310 894b14 b001 ${OUT_AL}`;
    withGuest({ mode: 'long', code }, (machine, vcpu) => {
      const has = hasSmap(vcpu);
      const { reason, assisted } = runHere(machine, OPTIONS, vcpu);
      if (!has && !isPvm) return expect(reason).toBe('shutdown');
      expect(reason).toBe('exit-port');
      expect(assisted).toEqual(isPvm ? { STAC: 1, CLAC: 1 } : {});
      expect(machine.memory.readUint(DATA + 16, 4) & 0x4_0000n).toBe(0x4_0000n);
      expect(machine.memory.readUint(DATA + 20, 4) & 0x4_0000n).toBe(0n);
    });
  });

  it('lets 32-bit code return from hardware interrupts', () => {
    const LINE = 4;
    // xor ecx, ecx; mov dx, 0x2004 (raises line 4); sti; out 1; out 0; out 1; spin: cmp cl, 2; jb spin; mov al, cl
    const guest: FlatGuest = {
      mode: 'protected',
      code: `31c9 66ba0420 fb b001ee b000ee b001ee 80f902 72fb 88c8 ${OUT_AL}`,
      handlers: { [FIRST_LINE_VECTOR + LINE]: 'fec1 cf' }, // inc cl; iret
    };
    withGuest(guest, (machine, vcpu) => {
      const { reason, value, assisted } = runHere(machine, OPTIONS, vcpu);
      expect({ reason, value }).toEqual({ reason: 'exit-port', value: 2 });
      expect(assisted).toEqual(isPvm ? { IRET: 2 } : {});
    });
  });

  it('marks the page it stores to as written by the host', () => {
    withGuest({ mode: 'long', code: `${OSFXSR} 0fae9b00100000 ${OUT_AL}` }, (machine, vcpu) => {
      const { hostDirty } = machine.memory.regions[0]!;
      hostDirty.clear();
      expect(runHere(machine, OPTIONS, vcpu).reason).toBe('exit-port');
      const page = DATA / 4096 + 1;
      expect(hostDirty.has(page)).toBe(isPvm);
    });
  });

  it('is off when told so, and on by itself only where KVM emulates', () => {
    const code = `9b b009 ${OUT_AL}`;
    const end = (assist: 'auto' | 'off') =>
      withGuest({ mode: 'long', code }, (machine, vcpu) => runHere(machine, { ...OPTIONS, assist }, vcpu));
    expect(end('auto')).toMatchObject({ reason: 'exit-port', value: 9, assisted: isPvm ? { FWAIT: 1 } : {} });
    expect(end('off')).toMatchObject(
      isPvm ? { reason: 'internal-error', detail: { suberror: 1 } } : { reason: 'exit-port', value: 9 },
    );
  });

  it('leaves an instruction that is not in the table to the fault report', () => {
    withGuest({ mode: 'long', code: `${OSFXSR} 0f57c0 b009 ${OUT_AL}` }, (machine, vcpu) => {
      const result = runHere(machine, OPTIONS, vcpu);
      expect(result.reason).toBe(isPvm ? 'internal-error' : 'exit-port');
      expect(result.assisted).toEqual({});
    });
  });

  it('does nothing on the state of the vCPU when the operand is not mapped', () => {
    const guest: FlatGuest = { mode: 'long', code: `${OSFXSR} 0fae1b f4`, regs: { rbx: 0x70_0000_0000n } };
    withGuest(guest, (machine, vcpu) => {
      const { reason } = runHere(machine, OPTIONS, vcpu);
      if (!isPvm) return expect(reason).toBe('shutdown'); // a page fault without an IDT
      expect(reason).toBe('internal-error');
      const before = [plain(vcpu.getRegs()), plain(vcpu.getVcpuEvents())];
      const { assist } = createAssist('on', machine, vcpu, { assist() {} });
      expect(assist!()).toBe(false);
      expect([plain(vcpu.getRegs()), plain(vcpu.getVcpuEvents())]).toEqual(before);
    });
  });
});

describe('the assist table', () => {
  it('has one row for an encoding, each with a sentence about it', () => {
    const encodings = ASSIST_TABLE.map(
      ({ prefix, opcode, operand, digit }) => `${prefix} ${opcode} ${operand} ${digit}`,
    );
    expect(new Set(encodings).size).toBe(encodings.length);
    for (const { doc } of ASSIST_TABLE) expect(doc.length).toBeGreaterThan(10);
  });
});
