/** What is recorded of the exercises of lessons 1 to 5: what stands in the gap. Usual mistakes are those of the tests. */
import { CAPABILITIES } from '../src/abi/capabilities.ts';

/** Descriptor on which a take is printed. */
export const TAKE_FD = 3;

/** Environment variable that carries a {@link RecorderOrder}. */
export const ORDER = 'VMLAPSE_LEARN_RECORDER';

/** What the recorder needs to know. */
export interface RecorderOrder {
  /** File of the runs that are known. */
  readonly runs: string;
  /** It is a right answer. */
  readonly right: boolean;
}

const slot = (fields: string) => `{ flags: 0, mapping: ram, size: 64 * KIB, offset: 0, ${fields} },`;
const SECOND = slot('slot: 1, gpa: 64 * KIB, offset: 64 * KIB');
const numbers = Object.values(CAPABILITIES).map(({ nr }) => nr);
const registers = (segment: string, more = '', order = 'vcpu.setSregs(sregs); vcpu.setRegs(regs);') =>
  `${segment} Object.assign(regs, { rip: 0x1000n, rax: 40n, rbx: 2n, rflags: 2n, ${more} }); ${order}`;
const window = (request: string) => `if (pending && head.ready_for_interrupt_injection) {
    vcpu.interrupt(VECTOR); pending = false; head.request_interrupt_window = 0;
  } ${request}`;

/** Other right answers, by exercise. Where there is a choice, as of an address that is refused, many are tried. */
export const RIGHT: Readonly<Record<string, readonly string[]>> = {
  ask: [
    `const version = kvm.getApiVersion();
    const [recommended, most, slots] = ['KVM_CAP_NR_VCPUS', 'KVM_CAP_MAX_VCPUS', 'KVM_CAP_NR_MEMSLOTS'].map((name) => kvm.checkExtension(name));
    for (const nr of ${JSON.stringify(numbers)}) kvm.checkExtension(nr);`,
  ],
  slots: [
    `${SECOND} ...Array.from({ length: 32 }, (_, i) => [4, 8, 16, 32, 64, 128].map((kib) => (
      { slot: 2, flags: 0, gpa: i * 4 * KIB, size: kib * KIB, mapping: ram, offset: 0 }))).flat(),
    ...[0, 64, 128, 256, 512, 1024, 2048].flatMap((kib) => [1, 8, 0x10, 0x64, 0x100, 0x200, 0x400, 0x800, 0xfff].flatMap((more) =>
      [4, 64].map((size) => ({ slot: 2, flags: 0, gpa: kib * KIB + more, size: size * KIB, mapping: ram, offset: 0 })))),
    ...[128, 192, 256, 512, 1024, 2048].flatMap((kib) => [
      1, 8, 16, 100, 256, 500, 512, 1000, 1024, 2000, 2048, 3000, 4000, 4095, 4097, 5000, 6000, 8191, 10_000, 60_000, 65_535, 65_537,
      100_000].map((size) => ({ slot: 2, flags: 0, gpa: kib * KIB, size, mapping: ram, offset: 0 }))),`,
  ],
  'first-vcpu': [
    registers('sregs.cs.base = 0n;'),
    registers('sregs.cs.base = 0n; sregs.cs.selector = 0;', '', 'vcpu.setRegs(regs); vcpu.setSregs(sregs);'),
    registers('sregs.cs.base = 0n; sregs.cs.selector = 0;', 'rdx: 0n'),
    registers('sregs.cs.base = 0n; sregs.cs.selector = 0;', 'rsp: 0x8000n'),
  ],
  exits: [],
  ports: [],
  mmio: ['if (!mmioIsWrite) mmioData.set([0x50, 0x4c, 0x4d, 0x56]); else lamp = 0x564d4c51;'],
  interrupt: [
    window('else if (pending) head.request_interrupt_window = 1;'),
    `if (pending) { if (head.ready_for_interrupt_injection) { vcpu.interrupt(VECTOR); pending = false;
      head.request_interrupt_window = 0; } else head.request_interrupt_window = 1; }`,
    `if (pending && exit.reason === 'IRQ_WINDOW_OPEN') { vcpu.interrupt(VECTOR); pending = false; }
      head.request_interrupt_window = Number(pending);`,
  ],
};

/** Answers of some that get no message of their own, but are near enough to be recorded. */
export const NEAR: Readonly<Record<string, readonly string[]>> = {
  'first-vcpu': [registers('sregs.cs.base = 0x1000n; sregs.cs.selector = 0x100;', 'rip: 0n')],
  exits: ['console.log("OUT");'],
  ports: [
    'if (exit.detail.direction === 0) data[0] = numbers[1] ?? 0; else sum = data[0] ?? 0;',
    'if (exit.detail.direction === 0) data[0] = numbers.pop() ?? 0; else sum = data[0] ?? 0;',
    'if (exit.detail.direction === 1) data[0] = numbers.shift() ?? 0; else sum = data[0] ?? 0;',
    'halted = false;',
  ],
};
