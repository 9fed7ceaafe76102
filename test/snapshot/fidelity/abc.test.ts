/**
 * A, mutate, B, cold-restore A paused, C: A equals C in memory and state, bit for bit. What may differ is named here, with
 * the reason: nothing else may. And A differs from B, so that a checkpoint that saves nothing is found out.
 */
import { expect, it } from 'vitest';
import type { CounterName } from '../../../guests/contract.ts';
import { type Guest, guestNamed } from '../../../guests/list.ts';
import { guestSymbols, readGuest } from '../../../guests/symbols.ts';
import { decodeState, type MachineState } from '../../../snapshot/machine-state.ts';
import { restoreMachine } from '../../../snapshot/restore.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { withBitsInUse } from '../../../snapshot/show/xsave-in-use.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import type { SnapshotTarget } from '../../../snapshot/target.ts';
import { Msr, msrName } from '../../../src/abi/msrs.ts';
import { KvmClockData } from '../../../src/abi/structs.ts';
import { readMsrList } from '../../../src/kvm/msr-list.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { LocalMachine } from '../../../src/runner/local-machine.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { contentOf, differences, temporaryDirectory } from '../store/support.ts';
import { machineOf, TIME_MSRS } from './play.ts';

/** Byte ranges in parts of the state that follow real time, paused or not. [first, end). */
const TIME: Readonly<Record<string, readonly (readonly [first: number, end: number])[]>> = {
  // kvm_clock_data: the clock itself, and the host's real time and TSC at the reading. Checked apart below.
  clock: [
    [0, 8],
    [8, 12],
    [16, 24],
    [24, 32],
  ],
  // kvm_pit_state2: in each channel, when it was last loaded by the host's clock (KVM sets it at KVM_SET_PIT2).
  pit2: [0, 1, 2].map((channel) => [channel * 24 + 16, channel * 24 + 24] as const),
  // The TSC as its distance from the host's: set at a load so that the TSC goes on. The TSC is checked apart below.
  tsc_offset: [[0, 8]],
  // Local APIC: the current count of the timer, at 0x390.
  lapic: [[0x390, 0x394]],
};

const blanked = (part: string, bytes: Uint8Array) => {
  const copy = Buffer.from(bytes);
  for (const [first, end] of TIME[part] ?? []) copy.fill(0, first, end);
  return copy.toString('hex');
};

/** A state by name, without what {@link TIME} and {@link TIME_MSRS} say. */
function comparable({ vcpus, vm, devices, roms, cpuid, lines, description }: MachineState): Record<string, unknown> {
  const named: [string, unknown][] = [];
  vcpus.forEach(({ msrs, ...parts }, id) => {
    for (const [part, bytes] of Object.entries(parts))
      named.push([`vcpu ${id} ${part}`, blanked(part, part === 'xsave' ? withBitsInUse(bytes, cpuid) : bytes)]);
    for (const { index, value } of readMsrList(msrs!))
      if (!TIME_MSRS.includes(index)) named.push([`vcpu ${id} ${msrName(index)}`, value.toString(16)]);
  });
  for (const [part, bytes] of Object.entries(vm)) named.push([`vm ${part}`, blanked(part, bytes)]);
  for (const [name, bytes] of devices) named.push([`device ${name}`, Buffer.from(bytes).toString('hex')]);
  return { ...Object.fromEntries(named), roms, cpuid: Buffer.from(cpuid).toString('hex'), lines, description };
}

/** The names under which two states differ, each with the first place where they do. */
function unlike(a: Record<string, unknown>, b: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) => {
    const [before, after] = [JSON.stringify(a[name]) ?? '', JSON.stringify(b[name]) ?? ''];
    if (before === after) return [];
    const at = [...before].findIndex((character, i) => character !== after[i]);
    return [`${name} at ${at}: ${before.slice(at, at + 32)} -> ${after.slice(at, at + 32)}`];
  });
}

const tscs = ({ vcpus }: MachineState) =>
  vcpus.map(({ msrs }) => readMsrList(msrs!).find(({ index }) => index === Msr.IA32_TSC)!.value);
const clockOf = ({ vm }: MachineState) => KvmClockData.over(vm.clock!).clock;

/** All that is not time is equal; and time has gone on from where it stood, by less than the test has taken. */
function expectEqual(a: Checkpoint, c: Checkpoint, elapsedMs: number): void {
  expect(differences(contentOf(a), contentOf(c)), 'memory').toEqual([]);
  const [before, after] = [decodeState(a.config), decodeState(c.config)];
  const changed = unlike(comparable(before), comparable(after));
  expect(changed, changed.join('; ')).toEqual([]);
  const clockNs = Number(clockOf(after) - clockOf(before));
  expect(clockNs).toBeGreaterThanOrEqual(0);
  expect(clockNs).toBeLessThan(elapsedMs * 1e6);
  const khz = before.description.host.tscKhz;
  tscs(after).forEach((tsc, i) => {
    const ticks = Number(BigInt.asIntN(64, tsc - tscs(before)[i]!));
    expect(Math.abs(ticks), `TSC of vCPU ${i}`).toBeLessThan(elapsedMs * khz);
  });
}

/** One way to drive a machine: to `exits` further exits, or until all its vCPUs have written. */
interface Driver {
  readonly target: SnapshotTarget;
  go(exits: number): Promise<void>;
  close(): Promise<void>;
}

function local(machine: Machine): Driver {
  let left = 0;
  const target = new LocalMachine(machine, { served: () => (--left > 0 ? undefined : { reason: 'stop-point' }) });
  const go = async (exits: number) => {
    left = exits;
    target.run({ timeoutMs: scaled(20_000) });
  };
  return { target, go, close: async () => target[Symbol.dispose]() };
}

/** Where a writer counts what it has written: each of its vCPUs. */
function countersOf({ name, options }: Guest): number[] {
  const symbols = guestSymbols(readGuest(name));
  const of = (counter: CounterName) => Number(symbols.get(counter)!.address);
  if (options.cpus === 1) return [of('writer_rounds')];
  return Array.from({ length: options.cpus }, (_, cpu) => of('checksum_position') + 8 * cpu);
}

async function running(machine: Machine, guest: Guest): Promise<Driver> {
  const target = await RunningMachine.start(machine);
  const go = async () => {
    const counts = () => countersOf(guest).map((at) => machine.memory.readUint(at, 8));
    const before = counts();
    const run = target.run();
    await eventually('all its vCPUs write', () => counts().every((count, cpu) => count !== before[cpu]));
    target.stop();
    await run;
  };
  return { target, go, close: () => target.close() };
}

async function cycle(
  guest: Guest,
  irqchip: boolean,
  drive: (machine: Machine, guest: Guest) => Driver | Promise<Driver>,
  store: Store,
) {
  const began = performance.now();
  const tag = (name: string) => ({ tags: [name] });
  {
    using machine = machineOf(guest, irqchip);
    const driver = await drive(machine, guest);
    using session = new CheckpointSession(driver.target, store);
    await driver.go(20);
    session.checkpoint(tag('a'));
    await driver.go(80);
    session.checkpoint(tag('b'));
    await driver.close();
  }
  using a = store.open('a');
  const { machine, load } = restoreMachine(a, { generation: 'keep' });
  using _machine = machine;
  const driver = await drive(machine, guest);
  load(driver.target);
  using session = new CheckpointSession(driver.target, store); // no base: C is full, and says what memory really holds
  session.checkpoint(tag('c'));
  await driver.close();
  using b = store.open('b');
  using c = store.open('c');
  expectEqual(a, c, performance.now() - began);
  const modified = differences(contentOf(a), contentOf(b));
  expect(modified.length, 'modify must differ').toBeGreaterThan(0);
  expect(unlike(comparable(decodeState(a.config)), comparable(decodeState(b.config)))).not.toEqual([]);
}

const CASES = [
  { name: 'compute', irqchip: true, kind: 'local' },
  { name: 'ring3', irqchip: false, kind: 'local' },
  { name: 'memory-writer', irqchip: true, kind: 'running' },
  { name: 'ring3-writer', irqchip: false, kind: 'running' },
  { name: 'checksum-writer-2', irqchip: true, kind: 'running' },
] as const;

describeKvm('A, mutate, B, restore A paused, C', () => {
  it.each(CASES)('$name, irqchip $irqchip, $kind: A equals C, and differs from B', async ({ name, irqchip, kind }) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    await cycle(guestNamed(name), irqchip, kind === 'local' ? local : running, store);
  });
});
