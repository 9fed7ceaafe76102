/** The trap flag of steps is taken out of what they push, and out of nothing else. */
import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import type { StepRegisters } from '../../debug/replay/step-registers.ts';
import { clearTrapFlag } from '../../debug/replay/trap-flag.ts';
import { RFLAGS } from '../../src/abi/registers.ts';
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import { Machine } from '../../src/machine/machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { machineOfCode, record } from './support.ts';

const RIP = 0x8000n;
const STACK = 0x7000n;
const [CS, SS] = [0x10n, 0x18n];
const FLAGS = RFLAGS.FIXED | RFLAGS.ZF | RFLAGS.IF;
const CR0_PE = 1n;
const EFER_LMA = 1n << 10n;

/** Words below the stack pointer, the first one next to it: what a frame has there, with these flags. */
type Frame = (flags: bigint, rip?: bigint, cs?: bigint) => readonly bigint[];
const SHORT: Frame = (flags, rip = RIP, cs = CS) => [flags, cs, rip];
const LONG: Frame = (flags, rip = RIP, cs = CS) => [SS, STACK, flags, cs, rip];

const MODES: readonly {
  mode: 'real' | 'protected' | 'long';
  width: 2 | 4 | 8;
  frame: Frame;
  db?: number;
  l?: number;
  cr0: bigint;
  efer: bigint;
}[] = [
  { mode: 'real', width: 2, frame: SHORT, cr0: 0n, efer: 0n },
  { mode: 'protected', width: 4, frame: SHORT, db: 1, cr0: CR0_PE, efer: 0n },
  { mode: 'long', width: 8, frame: LONG, l: 1, cr0: CR0_PE, efer: EFER_LMA },
];

const WITH = FLAGS | RFLAGS.TF;

/** Registers before a step. */
function registersOf(name: (typeof MODES)[number]['mode']): StepRegisters {
  const { db = 0, l = 0, cr0, efer } = MODES.find(({ mode }) => mode === name)!;
  const before = { regs: KvmRegs.alloc(), sregs: KvmSregs.alloc() };
  Object.assign(before.regs, { rip: RIP, rsp: STACK, rflags: FLAGS });
  Object.assign(before.sregs, { cr0, efer });
  Object.assign(before.sregs.cs, { selector: Number(CS), db, l });
  Object.assign(before.sregs.ss, { selector: Number(SS), db });
  return before;
}

describeKvm('the trap flag of a step', () => {
  for (const { mode, width, frame } of MODES) {
    const before = registersOf(mode);
    /** What is left of words below the stack pointer behind a step. */
    const behind = (words: readonly bigint[]) => {
      using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
      const at = (i: number) => Number(STACK) - (i + 1) * width;
      for (const [i, word] of words.entries()) machine.memory.write(at(i), bytesOf(word, width));
      clearTrapFlag(machine, before);
      return words.map((_, i) => machine.memory.readUint(at(i), width));
    };

    it(`is taken out of a frame: ${mode} mode`, () => {
      expect(behind(frame(WITH))).toEqual(frame(FLAGS));
      expect(behind(frame(WITH, RIP + 2n))).toEqual(frame(FLAGS, RIP + 2n)); // INT, and a handler that passes over an instruction
      const answer = (WITH | RFLAGS.CF) & ~RFLAGS.ZF;
      expect(behind(frame(answer))).toEqual(frame(answer & ~RFLAGS.TF));
    });

    it(`is left in what looks like it: ${mode} mode`, () => {
      const others = [
        frame(WITH, 0n), // what was pushed by PUSH, above old frames
        frame(WITH, RIP + 16n),
        frame(WITH, RIP - 1n),
        frame(WITH, RIP, CS + 8n),
        frame(WITH & ~RFLAGS.FIXED),
        frame(WITH | 8n),
        frame(WITH | RFLAGS.DF),
      ];
      for (const words of others) expect(behind(words)).toEqual(words);
    });
  }

  it('is not looked for in data that the guest pushes', () => {
    using recorded = record(
      machineOfCode(`
        fa                      ; cli
        31 c0 8e d0             ; xor ax, ax; mov ss, ax
        bc 00 70                ; mov sp, 0x7000
        b8 ff ff                ; mov ax, 0xffff
        50                      ; again: push ax: below it are zeros, as CS is zero
        83 e8 01                ; sub ax, 1
        3d 00 ff                ; cmp ax, 0xff00
        77 f7                   ; ja again
        b8 02 01                ; mov ax, 0x102
        50                      ; push ax
        e6 f4                   ; out 0xf4, al`),
    );
    using history = new History(recorded.open());
    while (history.step());
    expect(history.position).toEqual(history.end);
    expect(history.replayer.notRun).toEqual([]);
    expect(history.machine.memory.readUint(0x7000 - 2, 2)).toBe(0xffffn);
  });
});

describeKvm('the trap flag of a step over PUSHF', () => {
  const PUSHFS: readonly { name: string; code: number[]; width: 2 | 4 | 8; mode: (typeof MODES)[number]['mode'] }[] = [
    { name: 'pushf in real mode', mode: 'real', code: [0x9c], width: 2 },
    { name: 'pushfd in real mode', mode: 'real', code: [0x66, 0x9c], width: 4 },
    { name: 'pushfd', mode: 'protected', code: [0x9c], width: 4 },
    { name: 'pushf in 32-bit code', mode: 'protected', code: [0x66, 0x9c], width: 2 },
    { name: 'pushfq', mode: 'long', code: [0x9c], width: 8 },
    { name: 'pushf in long mode', mode: 'long', code: [0x66, 0x9c], width: 2 },
  ];
  for (const { name, code, width, mode } of PUSHFS)
    it(`is taken out of what it has pushed, and of no byte beside it: ${name}`, () => {
      using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
      const { memory } = machine;
      memory.write(Number(RIP), Uint8Array.from(code));
      memory.write(Number(STACK) - 32, new Uint8Array(64).fill(0xff));
      const expected = memory.read(Number(STACK) - 32, 64).slice();
      expected.set(bytesOf(FLAGS, width), 32 - width);
      memory.write(Number(STACK) - width, bytesOf(WITH, width));
      expect(clearTrapFlag(machine, registersOf(mode))).toBe(false);
      expect(memory.read(Number(STACK) - 32, 64)).toEqual(expected);
    });

  it('where the stack pointer wraps, no other byte is changed', () => {
    using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
    const { memory } = machine;
    memory.write(Number(RIP), Uint8Array.of(0x9c));
    const before = registersOf('real');
    before.regs.rsp = 0n;
    before.sregs.ss.base = 0x1_0000n;
    memory.write(0xfffe, Uint8Array.of(0x46, 0x03));
    memory.write(0x1_fffe, bytesOf(WITH, 2));
    clearTrapFlag(machine, before);
    expect([memory.readUint(0xfffe, 2), memory.readUint(0x1_fffe, 2)]).toEqual([0x346n, FLAGS]);
  });
});

describeKvm('the trap flag of a step that leads to another stack', () => {
  const TSS = 0x9000;
  const OTHER = 0xa000n;
  const STACKS = [
    { name: 'ESP0, from ring 3', mode: 'protected', at: 4, width: 4 },
    { name: 'RSP0, from ring 3', mode: 'long', at: 4, width: 8 },
    { name: 'IST1', mode: 'long', at: 0x24, width: 8 },
    { name: 'IST7', mode: 'long', at: 0x54, width: 8 },
  ] as const;
  for (const { name, mode, at, width } of STACKS)
    it(`is taken out of the frame: ${name}`, () => {
      using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
      const { memory } = machine;
      const before = registersOf(mode);
      if (at === 4) before.sregs.ss.dpl = 3;
      before.sregs.tr.base = BigInt(TSS);
      memory.write(TSS + at, bytesOf(OTHER, width));
      const frame = (flags: bigint) => [SS, STACK, flags, CS, RIP];
      const slot = (i: number) => Number(OTHER) - (i + 1) * width;
      const seen = () => frame(0n).map((_, i) => memory.readUint(slot(i), width));
      for (const [i, word] of frame(WITH).entries()) memory.write(slot(i), bytesOf(word, width));
      expect(clearTrapFlag(machine, before)).toBe(true);
      expect(seen()).toEqual(frame(FLAGS));
      memory.write(slot(1), bytesOf(STACK + 8n, width)); // of another interrupt
      memory.write(slot(2), bytesOf(WITH, width));
      expect(clearTrapFlag(machine, before)).toBe(false);
      expect(seen()[2]).toBe(WITH);
    });
});

describeKvm('steps go on behind an instruction that loads the flags', () => {
  const STEPS = 12;
  it.each([
    ['POPF', '9c 9d ; pushf; popf', 2],
    ['IRET', '9c 0e 68 0b 7c cf ; pushf; push cs; push 0x7c0b, behind it; iret', 4],
  ])('%s', (_, code, before) => {
    using recorded = record(
      machineOfCode(`
        bc 00 70                ; mov sp, 0x7000
        e6 80                   ; out 0x80, al
        ${code}
        ${'90 '.repeat(STEPS)}
        e6 80 e6 f4             ; out 0x80, al; out 0xf4, al`),
    );
    using history = new History(recorded.open());
    history.seek({ exits: 1, steps: 0 });
    let steps = 0;
    while (history.step() && history.position.exits === 1) steps++;
    expect(steps).toBeGreaterThanOrEqual(before + STEPS);
  });
});

function bytesOf(word: bigint, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Number((word >> BigInt(8 * i)) & 0xffn));
}
