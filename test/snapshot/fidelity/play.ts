/**
 * Runs a guest of the list in this thread and writes down everything it does that can be seen from outside: each exit
 * with its data, what it prints, and in the end all of its state and memory.
 */
import { createHash } from 'node:crypto';
import type { ParameterName } from '../../../guests/contract.ts';
import { type Guest, guestDisks } from '../../../guests/list.ts';
import { readGuest } from '../../../guests/symbols.ts';
import { load } from '../../../loaders/index.ts';
import { bootImage } from '../../../loaders/place.ts';
import type { MachineState } from '../../../snapshot/machine-state.ts';
import { withBitsInUse } from '../../../snapshot/show/xsave-in-use.ts';
import { captureState } from '../../../snapshot/state-taker.ts';
import type { SnapshotTarget } from '../../../snapshot/target.ts';
import { Exit } from '../../../src/abi/exits.ts';
import { Msr, msrName } from '../../../src/abi/msrs.ts';
import { KvmIoapicState, KvmIrqchip, KvmPicState } from '../../../src/abi/structs.ts';
import { exitName } from '../../../src/kvm/exit.ts';
import { readMsrList } from '../../../src/kvm/msr-list.ts';
import type { RunArea } from '../../../src/kvm/run-area.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../../src/memory/bitmap.ts';
import type { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { LocalMachine } from '../../../src/runner/local-machine.ts';
import type { RunReason } from '../../../src/runner/result.ts';
import { scaled } from '../../support/time.ts';

const TIME_LIMIT_MS = scaled(25_000);

/** Guests whose only point is how much they do: here they do less. */
const SHORTENED: Readonly<Record<string, Partial<Record<ParameterName, number>>>> = {
  'rep-outs': { param_count: 5 },
  'port-loop': { param_count: 300 },
  'port-loop-unclaimed': { param_count: 300 },
};

/** A machine with the guest in it, ready to run. The caller's to dispose. */
export function machineOf(guest: Guest, irqchip = guest.options.irqchip !== 'no', userChips = false): Machine {
  const { name, format, mode, options } = guest;
  const { memoryMib, cpus, load: at, cmdline, modules } = options;
  const machine = Machine.create({ memory: memoryMib * 2 ** 20, cpus, irqchip, userChips, disks: guestDisks(guest) });
  try {
    const image = load(readGuest(name, SHORTENED[name]), {
      memoryMap: machine.memory.memoryMap,
      ...(format === 'flat' && { format, mode }),
      ...(at !== undefined && { load: at }),
      ...(cmdline !== undefined && { cmdline }),
      modules: (modules ?? []).map((module) => ({ name: module.name, bytes: Buffer.from(module.text) })),
    });
    bootImage(machine, image);
    return machine;
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
}

/** What a guest did from one point of its life to another. JSON. */
export interface Passage {
  /** One line for each exit. */
  readonly exits: readonly string[];
  readonly serial: string;
  readonly debugcon: string;
  /** Why it ended; "stop" for a point that was asked for. */
  readonly end: RunReason | 'stop';
  readonly value?: number;
}

/** Passages that follow each other, as one. */
export function joined(passages: readonly Passage[]): Passage {
  return {
    ...passages.at(-1)!,
    exits: passages.flatMap(({ exits }) => exits),
    serial: passages.map(({ serial }) => serial).join(''),
    debugcon: passages.map(({ debugcon }) => debugcon).join(''),
  };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** An exit in words, with the data that crossed in either direction; to be called once it is served. */
function inWords(area: RunArea): string {
  const name = exitName(area.exitReason);
  if (area.exitReason === Exit.IO)
    return `${name} ${area.ioDirection ? 'out' : 'in'} 0x${area.ioPort.toString(16)} ${area.ioSize}x${area.ioCount} ${hex(area.ioData)}`;
  if (area.exitReason === Exit.MMIO)
    return `${name} ${area.mmioIsWrite ? 'write' : 'read'} 0x${area.mmioAddress.toString(16)} ${hex(area.mmioData)}`;
  return name;
}

/** A machine being played, and the exits and output since it was last asked. */
export class Player implements Disposable {
  readonly local: LocalMachine;
  #exits: string[] = [];
  #heard = { serial: '', debugcon: '', teletype: '', notes: '' };
  /** KVM_RUN came back with an exit that is not written down yet. */
  #exited = false;
  #stopAfter = Number.POSITIVE_INFINITY;

  constructor(machine: Machine) {
    const vcpu = machine.createVcpu(0);
    const run = vcpu.run.bind(vcpu);
    vcpu.run = () => {
      this.#exited = run();
      return this.#exited;
    };
    this.local = new LocalMachine(
      machine,
      {
        output: (channel, bytes) => {
          this.#heard[channel] += Buffer.from(bytes).toString('latin1');
        },
        served: () => this.#served(),
      },
      vcpu,
    );
  }

  #served() {
    if (!this.#exited) return undefined;
    this.#exited = false;
    this.#exits.push(inWords(this.local.vcpu.area));
    return this.#exits.length >= this.#stopAfter ? ({ reason: 'stop-point' } as const) : undefined;
  }

  /** Goes on until the guest ends, has made `exits` more exits, or `timeoutMs` milliseconds are over. */
  play(
    exits = Number.POSITIVE_INFINITY,
    timeoutMs = TIME_LIMIT_MS,
  ): 'stop' | { readonly end: RunReason; readonly value?: number } {
    this.#stopAfter = this.#exits.length + exits;
    const { reason, value } = this.local.run({ timeoutMs });
    if (reason === 'stop-point') return 'stop';
    this.#served(); // the last exit: the loop ended with it
    return { end: reason, ...(value !== undefined && { value }) };
  }

  /** What happened since the last call, with what completing the last exit brought. */
  passage(how: ReturnType<Player['play']>): Passage {
    this.#stopAfter = Number.POSITIVE_INFINITY;
    this.local.completePendingIo();
    const passage = { exits: this.#exits, ...this.#heard, ...(how === 'stop' ? { end: how } : how) };
    this.#exits = [];
    this.#heard = { serial: '', debugcon: '', teletype: '', notes: '' };
    return passage;
  }

  [Symbol.dispose](): void {
    this.local[Symbol.dispose]();
    this.local.vcpu[Symbol.dispose]();
  }
}

/** A machine's memory and state, in hashes by part. JSON. */
export type Portrait = Readonly<Record<string, string>>;

const short = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** All of RAM: pages that are not zero, with their addresses. */
export function memoryHash(memory: GuestMemory): string {
  const hash = createHash('sha256');
  const zero = new Uint8Array(PAGE_SIZE);
  for (const region of memory.regions) {
    for (const [start, end] of memory.residentRuns(region)) {
      for (let at = start; at < end; at += PAGE_SIZE) {
        const page = memory.view(region.base + at, PAGE_SIZE);
        if (Buffer.compare(page, zero) !== 0) hash.update(`${region.base + at}:`).update(page);
      }
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** MSRs whose value is the time: the TSC; of the Hyper-V interface the reference counter and how long the vCPU has run. */
export const TIME_MSRS: readonly number[] = [Msr.IA32_TSC, Msr.HV_X64_MSR_TIME_REF_COUNT, Msr.HV_X64_MSR_VP_RUNTIME];

/** MSRs by name, the time left out. */
function msrsOf(list: Uint8Array): [string, string][] {
  return readMsrList(list)
    .filter(({ index }) => !TIME_MSRS.includes(index))
    .map(({ index, value }) => [`msr ${msrName(index)}`, value.toString(16)]);
}

/** Parts that contain times: the clock, in the PIT when each channel was loaded, and the TSC as its distance from the host's. */
const TIME_PARTS: readonly string[] = ['clock', 'pit2', 'tsc_offset'];

/** Everything that must be equal after two runs that are. Only the TSC, the clock and the PIT's load times are left out. */
export function portrait(target: SnapshotTarget): Portrait {
  const state = captureState(target);
  const [first, ...others] = state.vcpus.map((vcpu) => vcpuPortrait(vcpu, state.cpuid));
  const named = others.flatMap((one, i) => Object.entries(one).map(([part, hash]) => [`vCPU ${i + 1} ${part}`, hash]));
  return { memory: memoryHash(target.machine.memory), ...first, ...Object.fromEntries(named), ...vmPortrait(state) };
}

function vcpuPortrait({ msrs, xsave, ...parts }: MachineState['vcpus'][number], cpuid: Uint8Array): Portrait {
  return Object.fromEntries([
    ...Object.entries(parts)
      .filter(([part]) => !TIME_PARTS.includes(part))
      .map(([part, bytes]) => [part, short(bytes)]),
    ...(xsave ? [['xsave', short(withBitsInUse(xsave, cpuid))]] : []),
    ...msrsOf(msrs!),
  ]);
}

const [CHIP] = KvmIrqchip.fields.chip;

/** Bytes and bits of the timer's line, whose ticks come when the host's clock says so. */
const TICKS: Readonly<Record<string, readonly (readonly [at: number, bit: number])[]>> = {
  pic_master: [KvmPicState.fields.irr, KvmPicState.fields.last_irr].map(([at]) => [CHIP + at, 0x01] as const),
  ioapic: [[CHIP + KvmIoapicState.fields.irr[0], 0x04]],
};

function withoutTick(part: string, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  for (const [at, bit] of TICKS[part] ?? []) copy[at]! &= ~bit;
  return copy;
}

function vmPortrait({ vm, devices, lines }: MachineState): Portrait {
  return Object.fromEntries([
    ...Object.entries(vm)
      .filter(([part]) => !TIME_PARTS.includes(part))
      .map(([part, bytes]) => [part, short(withoutTick(part, bytes))]),
    ...[...devices].map(([name, bytes]) => [`device ${name}`, short(bytes)]),
    ['lines', String(lines)],
  ]);
}
