/**
 * What a debugger can ask of this host's KVM, found out by running a few instructions in a tiny guest: in real mode, and in
 * long mode in ring 0 and in ring 3, since some hosts run these in different ways. What does not stop where it should does
 * not count, whatever the kernel's list of capabilities says.
 */
import { GUEST_DEBUG_FLAGS } from '../../src/abi/flags.ts';
import { CR0, CR4, EFER } from '../../src/abi/registers.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import { Mapping } from '../../src/ffi/mapping.ts';
import { blockKickSignal, clearKicks, KickTimer, maskInsideRun } from '../../src/ffi/signals.ts';
import { decodeExit } from '../../src/kvm/exit.ts';
import type { Kvm } from '../../src/kvm/kvm.ts';
import type { CodeMode } from '../../src/kvm/mode.ts';
import type { Vcpu } from '../../src/kvm/vcpu.ts';
import type { HardwareStop } from '../../src/runner/stops/debug-registers.ts';
import { type ByteStop, VcpuDebug, type WantedStops } from '../../src/runner/stops/vcpu-debug.ts';
import { BREAK_BYTES } from './break-bytes.ts';

/** What works for code of one kind. */
export interface RingAbilities {
  /** One instruction can be run alone. */
  readonly step: boolean;
  /** How a breakpoint byte in memory stops; undefined: not at all. */
  readonly software: ByteStop | undefined;
  /** Breakpoints of the processor on code, on writes to data, on any access to data. */
  readonly hardware: Readonly<Record<HardwareStop['kind'], boolean>>;
}

/** See the file's header. Plain data. */
export interface DebugAbilities {
  readonly real: RingAbilities;
  /** Ring 0 in protected and long mode. */
  readonly kernel: RingAbilities;
  readonly user: RingAbilities;
  /** Interrupts can be kept out of a step. */
  readonly blockIrq: boolean;
}

const NONE: RingAbilities = {
  step: false,
  software: undefined,
  hardware: { execute: false, write: false, access: false },
};

/** For a host without KVM_SET_GUEST_DEBUG. */
export const NO_ABILITIES: DebugAbilities = { real: NONE, kernel: NONE, user: NONE, blockIrq: false };

let found: DebugAbilities | undefined;

/** The abilities for code of a mode. */
export const abilitiesFor = ({ real, kernel, user }: DebugAbilities, { name, cpl }: CodeMode): RingAbilities =>
  name === 'real' ? real : cpl === 3 ? user : kernel;

/** Runs the tiny guest, once in a process: some ten milliseconds. Throws KvmError. */
export function debugAbilities(kvm: Kvm): DebugAbilities {
  found ??= probe(kvm);
  return found;
}

function probe(kvm: Kvm): DebugAbilities {
  if (kvm.checkExtension('KVM_CAP_SET_GUEST_DEBUG') <= 0) return NO_ABILITIES;
  const blockIrq = (kvm.checkExtension('KVM_CAP_SET_GUEST_DEBUG2') & GUEST_DEBUG_FLAGS.BLOCKIRQ) !== 0;
  using guest = new TinyGuest(kvm);
  const abilitiesOf = (kind: Kind): RingAbilities => {
    const plain = PROGRAMS[kind];
    const hardware = (on: HardwareStop['kind'], address: bigint) => {
      const found = guest.stop(kind, plain, { hardware: [{ address, kind: on, length: 1 }] });
      return found?.kind === (on === 'execute' ? 'hardware' : 'watch') && found.address === address;
    };
    const stops = (how: ByteStop) => {
      const marked = plain.with(BREAK_AT, BREAK_BYTES[how]);
      const place = { linear: CODE + BigInt(BREAK_AT), physical: Number(CODE) + BREAK_AT };
      const found = guest.stop(kind, marked, { bytes: [{ ...place, how }] });
      return found?.kind === 'software' && found.rip === CODE + BigInt(BREAK_AT);
    };
    return {
      step: guest.stop(kind, plain, { step: true, blockIrq })?.rip === CODE + 1n,
      software: BYTE_STOPS.find(stops),
      hardware: {
        execute: hardware('execute', CODE + BigInt(BREAK_AT)),
        write: hardware('write', DATA),
        access: hardware('access', DATA + 8n),
      },
    };
  };
  return { real: abilitiesOf('real'), kernel: abilitiesOf('kernel'), user: abilitiesOf('user'), blockIrq };
}

/** The most exact first: IN stops nothing where KVM itself has a device at the port in DX. */
const BYTE_STOPS: readonly ByteStop[] = ['debug', 'failure', 'in'];

const CODE = 0x1000n;
const DATA = 0x9000n;
const BREAK_AT = 1;

/** Code that is run by itself, since hosts do. */
type Kind = 'real' | 'kernel' | 'user';

/** nop; nop; mov [rbx], al; mov al, [rbx + 8]; ud2. The exception ends in a triple fault, or in real mode at a HLT. */
const LONG_PROGRAM = Uint8Array.of(0x90, 0x90, 0x88, 0x03, 0x8a, 0x43, 0x08, 0x0f, 0x0b);
/** The same with bx. */
const REAL_PROGRAM = Uint8Array.of(0x90, 0x90, 0x88, 0x07, 0x8a, 0x47, 0x08, 0x0f, 0x0b);
const PROGRAMS: Readonly<Record<Kind, Uint8Array>> = { real: REAL_PROGRAM, kernel: LONG_PROGRAM, user: LONG_PROGRAM };
const HLT = 0xf4;

const RAM_BYTES = 0x1_0000;
const PML4 = 0x2000;
const PDPT = 0x3000;
const PD = 0x4000;
const USER_WRITABLE = 7n;
const LARGE = 0x80n;
const STACK = 0x8000n;
const TSS = 0xa000;
/** Where a TSS says where its map of ports is; beyond its end: ring 3 may use no port, as in most guests. */
const TSS_IO_MAP = 0x66;
/** Nothing here runs for long, but an emulated processor on a busy host may take a second for its first instruction. */
const GIVE_UP_MS = 10_000;

/** A VM with one vCPU, 64 KiB of RAM, and nothing else. */
class TinyGuest implements Disposable {
  readonly #made = new Cleanup();
  readonly #ram: Mapping;
  readonly #vcpu: Vcpu;
  readonly #debug: VcpuDebug;
  readonly #timer: KickTimer;

  constructor(kvm: Kvm) {
    const made = this.#made;
    this.#ram = made.use(Mapping.anonymous(RAM_BYTES));
    const vm = made.use(kvm.createVm());
    vm.setTssAddr(0xfeff_d000);
    vm.setIdentityMapAddr(0xfeff_c000);
    vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: RAM_BYTES, mapping: this.#ram });
    this.#vcpu = made.use(vm.createVcpu(0, kvm.getVcpuMmapSize()));
    this.#vcpu.setCpuid2(kvm.getSupportedCpuid());
    this.#vcpu.setSignalMask(maskInsideRun(blockKickSignal()));
    this.#timer = made.use(new KickTimer());
    const { bytes } = this.#ram;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setBigUint64(PML4, BigInt(PDPT) | USER_WRITABLE, true);
    view.setBigUint64(PDPT, BigInt(PD) | USER_WRITABLE, true);
    view.setBigUint64(PD, LARGE | USER_WRITABLE, true);
    view.setUint16(TSS + TSS_IO_MAP, 0xffff, true);
    const readPhysical = (gpa: number, target: Uint8Array) => {
      if (gpa + target.length > RAM_BYTES) return false;
      target.set(bytes.subarray(gpa, gpa + target.length));
      return true;
    };
    this.#debug = new VcpuDebug(this.#vcpu, { readPhysical }, { xsaveBytes: 0, irqchip: false });
  }

  /** Runs `code` until its first exit. Returns the stop that this was, with RIP; undefined if it was none. */
  stop(kind: Kind, code: Uint8Array, wanted: Partial<WantedStops>) {
    this.#ram.bytes.set(code, Number(CODE));
    if (kind === 'real') this.#enterReal();
    else this.#enterLong(kind === 'user' ? 3 : 0);
    const none = { step: false, blockIrq: false, bytes: [], hardware: [] };
    this.#debug.set({ ...none, ...wanted });
    const exited = this.#runToExit();
    const end = exited ? this.#debug.hook!(decodeExit(this.#vcpu.area).number) : undefined;
    const { rip } = this.#vcpu.getRegs();
    this.#debug.set(undefined);
    return end && { kind: end.detail!.kind, address: end.detail!.address, rip };
  }

  /** False: it makes none. Signals for other parts of the process bring KVM_RUN back, too. */
  #runToExit(): boolean {
    const end = performance.now() + GIVE_UP_MS;
    this.#timer.arm(GIVE_UP_MS);
    let exited = this.#vcpu.run();
    while (!exited && performance.now() < end) {
      clearKicks();
      exited = this.#vcpu.run();
    }
    this.#timer.arm(0);
    clearKicks();
    return exited;
  }

  /** Long mode. Without a descriptor table the first exception, such as a breakpoint that is not seen, is a shutdown. */
  #enterLong(ring: 0 | 3): void {
    const sregs = this.#vcpu.getSregs();
    const segment = { base: 0n, limit: 0xffff_ffff, present: 1, s: 1, g: 1, avl: 0, unusable: 0, dpl: ring };
    Object.assign(sregs.cs, { ...segment, selector: 0x8 | ring, type: 0xb, l: 1, db: 0 });
    for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const)
      Object.assign(sregs[name], { ...segment, selector: 0x10 | ring, type: 3, l: 0, db: 1 });
    Object.assign(sregs.tr, { ...segment, selector: 0x18, type: 0xb, s: 0, g: 0, limit: 0x67, dpl: 0, l: 0, db: 0 });
    sregs.tr.base = BigInt(TSS);
    sregs.idt.limit = 0;
    Object.assign(sregs, { cr3: BigInt(PML4), cr4: CR4.PAE, efer: EFER.LME | EFER.LMA });
    sregs.cr0 = CR0.PE | CR0.ET | CR0.PG;
    this.#vcpu.setSregs(sregs);
    this.#begin();
  }

  /** Real mode, as after a reset. Every vector leads to address 0, where there is a HLT. */
  #enterReal(): void {
    this.#ram.bytes[0] = HLT;
    const sregs = this.#vcpu.getSregs();
    const segment = {
      base: 0n,
      limit: 0xffff,
      selector: 0,
      present: 1,
      s: 1,
      g: 0,
      avl: 0,
      unusable: 0,
      dpl: 0,
      l: 0,
      db: 0,
    };
    Object.assign(sregs.cs, { ...segment, type: 0xb });
    for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) Object.assign(sregs[name], { ...segment, type: 3 });
    sregs.idt.base = 0n;
    sregs.idt.limit = 0x3ff;
    Object.assign(sregs, { cr3: 0n, cr4: 0n, efer: 0n, cr0: CR0.ET });
    this.#vcpu.setSregs(sregs);
    this.#begin();
  }

  #begin(): void {
    const regs = this.#vcpu.getRegs();
    Object.assign(regs, { rip: CODE, rsp: STACK, rbx: DATA, rdx: 0xe9n, rflags: 2n });
    this.#vcpu.setRegs(regs);
  }

  [Symbol.dispose](): void {
    this.#made[Symbol.dispose]();
  }
}
