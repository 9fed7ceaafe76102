/** Serves a call of the BIOS: from its vector to the service, and to what the stub in ROM does next. */
import { CR0, RFLAGS } from '../abi/registers.ts';
import type { Live } from '../abi/struct.ts';
import type { KvmRegs, KvmSregs } from '../abi/structs.ts';
import { GuestMemoryError } from '../errors.ts';
import { BiosCall, type BiosHost } from './call.ts';
import { ROM } from './layout.ts';
import { type Interrupt, type Outcome, serviceOf } from './service.ts';
import { BOOT, NO_BOOT } from './services/boot.ts';
import { CLOCK } from './services/clock.ts';
import { DISK } from './services/disk.ts';
import { FAULTS, faultOf } from './services/faults.ts';
import { KEY, KEYBOARD } from './services/keyboard.ts';
import { BASE_MEMORY, EQUIPMENT, SYSTEM } from './services/system.ts';
import { VIDEO } from './services/video.ts';
import { hex2, registersText } from './text.ts';

const nobody = (absent: string): Interrupt => ({ services: {}, absent: [[-1, absent]] });

const NO_DOS = nobody('this machine has no DOS');

/** Interrupts by vector. */
const INTERRUPTS: ReadonlyMap<number, Interrupt> = new Map([
  ...FAULTS,
  [0x09, KEY],
  [0x10, VIDEO],
  [0x11, EQUIPMENT],
  [0x12, BASE_MEMORY],
  [0x13, DISK],
  [0x14, nobody('the serial port of this machine has no BIOS service: use port 3F8h')],
  [0x15, SYSTEM],
  [0x16, KEYBOARD],
  [0x17, nobody('this machine has no printer')],
  [0x18, NO_BOOT],
  [0x19, BOOT],
  [0x1a, CLOCK],
  [0x20, NO_DOS],
  [0x21, NO_DOS],
  [0x2f, NO_DOS],
]);

const FIRST_IRQ = 0x08;
/** IRQ 2 to 7, and IRQ 8 to 15: their routines end them at the controllers. */
const isHardware = (vector: number) => (vector >= 0x0a && vector < 0x10) || (vector >= 0x70 && vector < 0x78);

/** Exceptions that share their vectors with IRQ 2 to 7. */
const SHARED: Readonly<Record<number, string>> = {
  10: 'invalid task state',
  11: 'segment not present',
  12: 'stack fault',
  13: 'general protection fault',
  14: 'page fault',
};

/** How a run ends that a call has ended. */
export type BiosEnd =
  | { readonly reason: 'reset' | 'halted' }
  | { readonly reason: 'exception'; readonly detail: { readonly vector: number; readonly name: string } };

/** What a served call leaves. */
export interface Served {
  readonly end?: BiosEnd;
  /** The segment registers are to be written, too. */
  readonly segmentsChanged: boolean;
  /** The call in words, for a trace. */
  text(): string;
}

/**
 * Whether a vCPU that wrote to the port of the BIOS runs a stub in ROM: in real mode. Others mean something else by the port.
 */
export function isBiosCall(sregs: Live<typeof KvmSregs.fields>): boolean {
  return (sregs.cr0 & CR0.PE) === 0n && sregs.cs.selector === ROM.SEGMENT;
}

/**
 * Serves the call that a stub makes: changes the registers, and guest memory. The stub returns to the caller when carry is
 * clear in `regs`, else calls again: after an interrupt, or with zero set, at once.
 */
export function serveBios(
  host: BiosHost,
  regs: Live<typeof KvmRegs.fields>,
  sregs: Live<typeof KvmSregs.fields>,
): Served {
  const call = new BiosCall(host, regs, sregs);
  const before = registersText(call);
  const interrupt = isException(call) ? faultOf(SHARED[call.vector]!) : INTERRUPTS.get(call.vector);
  const service = interrupt && serviceOf(interrupt, call);
  const outcome = service ? run(() => (service.run as (call: BiosCall) => Outcome)(call), call) : 'unserved';
  if (outcome === 'unserved') unserved(interrupt, call);
  regs.rflags &= ~(RFLAGS.CF | RFLAGS.ZF);
  if (outcome === 'wait' || outcome === 'again') regs.rflags |= RFLAGS.CF;
  if (outcome === 'again') regs.rflags |= RFLAGS.ZF;
  const end = endOf(outcome, call, service?.name ?? '');
  const text = () =>
    `INT ${hex2(call.vector)}h ${service?.name ?? 'unserved'}: ${before} -> ${outcome ?? registersText(call)}`;
  return { ...(end && { end }), segmentsChanged: call.segmentsChanged, text };
}

const isException = ({ vector, host }: BiosCall) => vector in SHARED && !host.inService(vector - FIRST_IRQ);

/** Addresses that a caller gives may lie outside guest memory: that is its mistake, and ends no run. */
function run(service: () => Outcome, call: BiosCall): Outcome {
  try {
    return service();
  } catch (error) {
    if (!(error instanceof GuestMemoryError)) throw error;
    call.host.note(`memory ${call.vector}`, `INT ${hex2(call.vector)}h: ${error.message}`);
    call.failUnserved();
    return undefined;
  }
}

function unserved(interrupt: Interrupt | undefined, call: BiosCall): void {
  if (isHardware(call.vector)) return;
  const { a, host, vector } = call;
  const key = [a.x > 0xff ? a.x : -1, a.h, -1].find((number) => interrupt?.absent?.some(([at]) => at === number));
  const why = interrupt?.absent?.find(([at]) => at === key)?.[1];
  const isWhole = !interrupt || key === -1;
  const what = isWhole ? '' : ` AX=${a.x.toString(16).padStart(4, '0').toUpperCase()}h`;
  const kind = isWhole ? `int ${vector}` : `int ${vector} ${key ?? a.h}`;
  host.note(kind, `INT ${hex2(vector)}h${what}: ${why ?? 'the BIOS of this machine does not serve it'}`);
  if (!interrupt || isWhole) return;
  if (interrupt.unserved) interrupt.unserved(call);
  else call.failUnserved();
}

function endOf(outcome: Outcome, call: BiosCall, name: string): BiosEnd | undefined {
  if (outcome === 'reset') return { reason: 'reset' };
  if (outcome === 'no-boot') {
    call.host.note('no boot', 'INT 18h: the boot sector found nothing to boot');
    return { reason: 'halted' };
  }
  if (outcome !== 'fault') return undefined;
  call.unwind();
  return { reason: 'exception', detail: { vector: call.vector, name } };
}
