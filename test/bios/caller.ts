/** A BIOS without a processor: guest memory and devices, and calls with registers given and taken. */
import { RFLAGS } from '../../src/abi/registers.ts';
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import type { Drive } from '../../src/bios/drives.ts';
import { biosPieces } from '../../src/bios/memory-image.ts';
import { serveBios } from '../../src/bios/serve.ts';
import { DEVICE_SPECS } from '../../src/devices/devices.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { plugged } from '../devices/fake-host.ts';

type Name = 'ax' | 'bx' | 'cx' | 'dx' | 'si' | 'di' | 'bp';

/** Registers to call with; `es` and `ds` are selectors. `e…` in 32 bits. */
export type Given = Partial<Record<Name | `e${Name}` | 'es' | 'ds' | 'flags', number>>;

/** What a call leaves. */
export interface Left extends Record<Name, number> {
  readonly es: number;
  readonly ebx: number;
  readonly eax: number;
  readonly carry: boolean;
  readonly zero: boolean;
  /** The stub is to call again. */
  readonly waits: boolean;
  readonly end: unknown;
  readonly text: string;
}

const STACK = 0x7000;
const CALLER = { ip: 0x7c12, cs: 0, flags: 0x0202 };

/** A machine's worth of BIOS. */
export class Caller implements Disposable {
  readonly memory: GuestMemory;
  readonly bus = plugged(DEVICE_SPECS);
  readonly notes: string[] = [];
  printed = '';
  now = 1_000_000;
  served = 0;

  constructor(drives: readonly Drive[] = [], disks: readonly Disk[] = [], bytes = 32 * 2 ** 20) {
    this.memory = GuestMemory.create(bytes);
    for (const { gpa, bytes: piece } of biosPieces(drives)) this.memory.write(gpa, piece);
    this.#disks = disks;
  }

  readonly #disks: readonly Disk[];

  int(vector: number, given: Given = {}): Left {
    const regs = KvmRegs.alloc();
    const sregs = KvmSregs.alloc();
    for (const name of ['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp'] as const) {
      regs[`r${name}`] = BigInt((given[`e${name}`] ?? given[name] ?? 0) >>> 0);
    }
    for (const name of ['es', 'ds'] as const) {
      sregs[name].selector = given[name] ?? 0;
      sregs[name].base = BigInt((given[name] ?? 0) * 16);
    }
    regs.rsp = BigInt(STACK);
    const frame = [vector, CALLER.ip, CALLER.cs, given.flags ?? CALLER.flags];
    this.memory.write(STACK, new Uint8Array(Uint16Array.from(frame).buffer));
    const { memory, bus, notes } = this;
    const host = {
      memory,
      portIn: (port: number, width: 1 | 2 | 4) => bus.bus.portIn(port, width),
      portOut: (port: number, width: 1 | 2 | 4, value: number) => void bus.bus.portOut(port, width, value),
      print: (text: Uint8Array) => {
        this.printed += Buffer.from(text).toString('latin1');
      },
      note: (kind: string, text: string) => void notes.push(`${kind}: ${text}`),
      disk: (index: number) => this.#disks[index],
      inService: (irq: number) => (this.served & (1 << irq)) !== 0,
      now: () => this.now,
    };
    const { end, text } = serveBios(host, regs, sregs);
    const flags = Number(memory.readUint(STACK + 6, 2));
    const words = (['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp'] as const).map((name) => [
      name,
      Number(regs[`r${name}`] & 0xffffn),
    ]);
    return {
      ...(Object.fromEntries(words) as Record<Name, number>),
      es: sregs.es.selector,
      eax: Number(regs.rax & 0xffff_ffffn),
      ebx: Number(regs.rbx & 0xffff_ffffn),
      carry: (flags & Number(RFLAGS.CF)) !== 0,
      zero: (flags & Number(RFLAGS.ZF)) !== 0,
      waits: (regs.rflags & RFLAGS.CF) !== 0n,
      end,
      text: text(),
    };
  }

  /** Presses keys: each scan code as IRQ 1's routine would bring it. */
  keys(...codes: readonly number[]): void {
    for (const code of codes) this.int(0x09, { ax: 0x4f00 | code });
  }

  /** Characters in row `row` of the text screen. */
  row(row: number, columns = 80): string {
    const cells = this.memory.read(0xb_8000 + row * columns * 2, columns * 2);
    return Buffer.from(cells.filter((_, at) => at % 2 === 0))
      .toString('latin1')
      .trimEnd();
  }

  [Symbol.dispose](): void {
    this.memory[Symbol.dispose]();
  }
}
