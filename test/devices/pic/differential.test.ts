/**
 * The 8259s against those in KVM: the same writes, reads, line changes and interrupts, all chosen by a seed, and after each the
 * same state, byte for byte.
 */
import { expect, it } from 'vitest';
import { Exit } from '../../../src/abi/exits.ts';
import { KvmPicState, KvmPitState2 } from '../../../src/abi/structs.ts';
import type { Device } from '../../../src/devices/device.ts';
import { type Pics, pics } from '../../../src/devices/pic/pair.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { LocalMachine } from '../../../src/runner/local-machine.ts';
import type { RunEnd } from '../../../src/runner/result.ts';
import { random } from '../../snapshot/store/support.ts';
import { code } from '../../support/code.ts';
import { describeKvm } from '../../support/kvm.ts';
import { SLOW_HOST, scaled } from '../../support/time.ts';
import { plugged } from '../fake-host.ts';

const CODE = 0x8000;
const STUBS = 0x9000;
const STUB_BYTES = 16;
/** What the guest is to do, and what came of it. */
const ASKED = { port: 0x1000, value: 0x1002, verb: 0x1003, read: 0x1004, vector: 0x1005, taken: 0x1006 } as const;
const ASKING = 0x99;
const STOP: RunEnd = { reason: 'stop-point' };
const Verb = { IN: 0, OUT: 1, TAKE: 2 } as const;

/** Makes an exit, does what it is asked for, and begins again. */
const LOOP = code(`
  e6 99           ; out 0x99, al
  8b 16 00 10     ; mov dx, [port]
  a0 02 10        ; mov al, [value]
  8a 1e 03 10     ; mov bl, [verb]
  80 fb 01        ; cmp bl, 1
  72 06           ; jb read
  74 0a           ; je write
  fb f4           ; sti, hlt
  eb e8           ; jmp begin
  ec              ; read: in al, dx
  a2 04 10        ; mov [read], al
  eb e2           ; jmp begin
  ee              ; write: out dx, al
  eb df           ; jmp begin`);

/** Notes the vector, drops the frame, and begins the loop again: interrupts are off then. */
function stub(vector: number): Uint8Array {
  const back = (CODE - (STUBS + vector * STUB_BYTES + 15)) & 0xffff;
  return code(`
    c6 06 05 10 ${byte(vector)}  ; mov byte [vector], vector
    fe 06 06 10                  ; inc byte [taken]
    83 c4 06                     ; add sp, 6
    e9 ${byte(back & 0xff)} ${byte(back >> 8)} ; jmp begin`);
}

const byte = (value: number) => value.toString(16).padStart(2, '0');

/** KVM's controllers, with a processor that does one thing at a time. */
class KernelPics implements Disposable {
  readonly #machine = Machine.create({ memory: 2 ** 20 });
  readonly #local: LocalMachine;

  constructor() {
    const { memory, vm } = this.#machine;
    memory.write(CODE, LOOP);
    for (let vector = 0; vector < 256; vector++) {
      memory.write(STUBS + vector * STUB_BYTES, stub(vector));
      const at = STUBS + vector * STUB_BYTES;
      memory.write(vector * 4, Uint8Array.of(at & 0xff, at >> 8, 0, 0));
    }
    const entry = { mode: 'real', rip: BigInt(CODE), cs: { selector: 0, base: 0 }, regs: { rsp: 0x7000n } } as const;
    this.#machine.setBoot(entry, []);
    const silent = KvmPitState2.alloc();
    for (let i = 0; i < 3; i++) silent.channels.at(i).mode = 0xff; // a timer without a mode never ticks
    vm.setPit2(silent);
    for (const id of [0, 1] as const) {
      const chip = vm.getIrqchip(id);
      const { elcr_mask } = KvmPicState.over(chip.chip);
      chip.chip.fill(0);
      KvmPicState.over(chip.chip).elcr_mask = elcr_mask;
      vm.setIrqchip(chip);
    }
    this.#local = new LocalMachine(this.#machine, { served: () => (this.#isAsking() ? STOP : undefined) });
    this.#run();
  }

  #isAsking(): boolean {
    const { exitReason, ioPort } = this.#local.vcpu.area;
    return exitReason === Exit.IO && ioPort === ASKING;
  }

  #run(): void {
    expect(this.#local.advance(scaled(5000))).toBe(STOP);
  }

  #do(verb: number, port = 0, value = 0): void {
    const { memory } = this.#machine;
    memory.write(ASKED.port, Uint8Array.of(port & 0xff, port >> 8, value, verb, 0, 0, 0));
    this.#run();
  }

  out(port: number, value: number): void {
    this.#do(Verb.OUT, port, value);
  }

  in(port: number): number {
    this.#do(Verb.IN, port);
    return Number(this.#machine.memory.readUint(ASKED.read, 1));
  }

  /** The guest waits in HLT for an interrupt: its vector. */
  take(): number {
    this.#do(Verb.TAKE);
    expect(this.#machine.memory.readUint(ASKED.taken, 1)).toBe(1n);
    return Number(this.#machine.memory.readUint(ASKED.vector, 1));
  }

  setLine(line: number, level: 0 | 1): void {
    this.#machine.vm.irqLine(line, level);
  }

  get state(): string {
    const chips = ([0, 1] as const).map((id) => this.#machine.vm.getIrqchip(id).chip.subarray(0, KvmPicState.size));
    return Buffer.concat(chips).toString('hex');
  }

  [Symbol.dispose](): void {
    this.#local[Symbol.dispose]();
    this.#machine[Symbol.dispose]();
  }
}

const PORTS = [0x20, 0xa0, 0x21, 0xa1] as const;

/** Does the same to both, and returns what it was, with what each gave. */
function act(
  next: (limit: number) => number,
  mine: Pics,
  kernel: KernelPics,
  isPolled: (port: number) => boolean,
): [what: string, mine: unknown, kernel: unknown] {
  const write = (port: number, value: number) => {
    mine.write(port, 1, value);
    kernel.out(port, value);
  };
  const kinds: (() => [string, unknown, unknown])[] = [
    () => {
      const [line, level] = [next(16), next(2) as 0 | 1];
      mine.setLine(line, level);
      kernel.setLine(line, level);
      return [`line ${line} = ${level}`, 0, 0];
    },
    () => {
      const port = [...PORTS, 0x4d0, 0x4d1][next(6)]!;
      const isPoll = isPolled(port); // older kernels leave bit 7 of the answer out
      const answers = [mine.read(port, 1), kernel.in(port)].map((value) => (isPoll ? value & 0x07 : value));
      return [`in 0x${port.toString(16)}`, ...answers] as [string, number, number];
    },
    () => (mine.isWaiting() ? ['take', mine.acknowledge(), kernel.take()] : ['nothing', 0, 0]),
    () => {
      const [port, value] = [PORTS[next(2)]!, next(256) & ~0x18]; // OCW2
      write(port, value);
      return [`OCW2 0x${value.toString(16)} at 0x${port.toString(16)}`, 0, 0];
    },
    () => {
      const [port, value] = [PORTS[next(2)]!, 0x08 | next(8)]; // OCW3, but for the special mask mode
      write(port, value);
      return [`OCW3 0x${value.toString(16)} at 0x${port.toString(16)}`, 0, 0];
    },
    () => {
      const [port, value] = [PORTS[2 + next(2)]!, next(256) & next(256)];
      write(port, value);
      return [`mask 0x${value.toString(16)} at 0x${port.toString(16)}`, 0, 0];
    },
    () => {
      const [port, value] = [0x4d0 + next(2), next(256) & next(256)];
      write(port, value);
      return [`ELCR 0x${value.toString(16)} at 0x${port.toString(16)}`, 0, 0];
    },
    () => {
      if (next(4) > 0) return ['nothing', 0, 0];
      const command = PORTS[next(2)]!;
      const icw1 = 0x10 | next(16);
      write(command, icw1);
      write(command + 1, next(256));
      write(command + 1, next(256));
      if (icw1 & 1) write(command + 1, next(32));
      write(command + 1, next(256) & next(256));
      return [`ICW1 0x${icw1.toString(16)} at 0x${command.toString(16)}`, 0, 0];
    },
  ];
  return kinds[next(kinds.length)]!();
}

const [SEEDS, ACTS] = SLOW_HOST ? [2, 300] : [10, 2000];

describeKvm('the 8259s', () => {
  it(`are as those of KVM, after each of ${SEEDS} x ${ACTS} accesses`, () => {
    let taken = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const next = random(seed);
      const { device, buffer } = plugged([pics()]);
      using kernel = new KernelPics();
      const state = () => Buffer.from(new Uint8Array(buffer, 64, 2 * KvmPicState.size)).toString('hex');
      const polls = new Uint8Array(buffer, 64 + KvmPicState.fields.poll[0]);
      const isPolled = (port: number) => port < 0x100 && polls[port < 0x80 ? 0 : KvmPicState.size] === 1;
      expect(state(), 'at power-on').toBe(kernel.state);
      const did: string[] = [];
      for (let i = 0; i < ACTS; i++) {
        const [what, mine, theirs] = act(next, device as Device as Pics, kernel, isPolled);
        did.push(what);
        const last = `seed ${seed}, access ${i}: ${did.slice(-8).join(', ')}`;
        expect(mine, last).toBe(theirs);
        expect(state(), last).toBe(kernel.state);
        if (what === 'take') taken++;
      }
    }
    expect(taken).toBeGreaterThan(SEEDS * 4);
  });
});
