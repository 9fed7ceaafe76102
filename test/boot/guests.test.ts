/** Every guest of the list, from its file to its end: with a thread for each vCPU, and alone in this thread. */
import { afterAll, expect, it } from 'vitest';
import type { ParameterName } from '../../guests/contract.ts';
import { type Expectation, GUESTS, type Guest, guestDisks } from '../../guests/list.ts';
import { readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { Machine } from '../../src/machine/machine.ts';
import { runHere } from '../../src/runner/local-machine.ts';
import type { RunResult } from '../../src/runner/result.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { typeText } from '../../tools/screen/keys.ts';
import { screenOf } from '../../tools/screen/of-machine.ts';
import { screenLines } from '../../tools/screen/render.ts';
import { expectedHere, REASONS } from '../support/expected.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const TIME_LIMIT_MS = scaled(25_000);

/** Guests whose only point is how much they do: here they do less. */
const SHORTENED: Readonly<Record<string, Partial<Record<ParameterName, number>>>> = {
  'rep-outs': { param_count: 100 },
  'port-loop': { param_count: 2000 },
  'port-loop-unclaimed': { param_count: 2000 },
};

/** What a run brought. */
interface Seen {
  readonly result: RunResult;
  readonly stdout: string;
  readonly debugcon: string;
  readonly screen: readonly string[];
}

/** What this host is to see. */
function expected(guest: Guest): Expectation {
  const { name } = guest;
  const here = expectedHere(guest);
  if (name !== 'rep-outs') return here;
  const text = here.stdout as string;
  return { ...here, stdout: text.slice(0, SHORTENED[name]!.param_count! * 64) };
}

function prepare(guest: Guest): Machine {
  const { name, format, mode, options } = guest;
  const { memoryMib, cpus, irqchip, load: at, cmdline, modules } = options;
  const machine = Machine.create({
    memory: memoryMib * 2 ** 20,
    cpus,
    irqchip: irqchip !== 'no',
    disks: guestDisks(guest),
  });
  try {
    const image = load(readGuest(name, SHORTENED[name]), {
      memoryMap: machine.memory.memoryMap,
      ...(format === 'flat' && { format, mode }),
      ...(at !== undefined && { load: at }),
      ...(cmdline !== undefined && { cmdline }),
      modules: (modules ?? []).map((module) => ({ name: module.name, bytes: Buffer.from(module.text) })),
    });
    expect(image.format).toBe(format);
    expect(image.entry.mode).toBe(mode);
    bootImage(machine, image);
    return machine;
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
}

/** Collects output, and calls `complete` once an endless guest has said all it says. */
function listener(guest: Guest, complete: () => void) {
  const heard = { serial: '', debugcon: '' };
  const { ending, stdout } = expected(guest);
  const hear = (channel: 'serial' | 'debugcon', bytes: Uint8Array) => {
    heard[channel] += Buffer.from(bytes).toString('latin1');
    if (ending.kind === 'endless' && heard.serial === stdout) complete();
  };
  return { heard, hear };
}

async function runThreaded(guest: Guest): Promise<Seen> {
  using machine = prepare(guest);
  const { heard, hear } = listener(guest, () => running.stop());
  const running = await RunningMachine.start(machine, {
    serial: (bytes) => hear('serial', bytes),
    debugcon: (bytes) => hear('debugcon', bytes),
  });
  try {
    if (guest.options.typed !== undefined) running.press(typeText(guest.options.typed));
    if (guest.options.stdin !== undefined) running.send(Buffer.from(guest.options.stdin));
    const result = await running.run({ timeoutMs: TIME_LIMIT_MS });
    return { result, stdout: heard.serial, debugcon: heard.debugcon, screen: screenLines(screenOf(machine)) };
  } finally {
    await running.close();
  }
}

function runAlone(guest: Guest): Seen {
  using machine = prepare(guest);
  let complete = false;
  const { heard, hear } = listener(guest, () => {
    complete = true;
  });
  const served = () => (complete ? ({ reason: 'interrupted' } as const) : undefined);
  const result = runHere(machine, { output: hear, served, timeoutMs: TIME_LIMIT_MS });
  return { result, stdout: heard.serial, debugcon: heard.debugcon, screen: screenLines(screenOf(machine)) };
}

function check(guest: Guest, { result, stdout, debugcon, screen }: Seen): void {
  const what = expected(guest);
  if (typeof what.stdout === 'string') expect(stdout).toBe(what.stdout);
  else expect(stdout).toMatch(what.stdout);
  expect(debugcon).toBe(what.debugcon ?? '');
  expect(screen).toEqual(what.screen ?? []);
  expect(result.reason).toBe(REASONS[what.ending.kind]);
  if (what.ending.kind === 'exit') expect(result.value).toBe(what.ending.code);
  if (what.ending.kind === 'emulation-failure') expect(result.detail).toEqual({ suberror: 1 });
}

/** Exits and port accesses, without the signals that time decides. */
function counted({ exits, ports, unclaimed }: RunResult) {
  const { INTR: _, ...rest } = exits;
  return { exits: rest, ports, unclaimed };
}

/** The guest can run without threads: one processor, and nobody who types. */
const canBeAlone = ({ options }: Guest) =>
  options.cpus === 1 && options.stdin === undefined && options.typed === undefined;

const threaded = new Map<string, RunResult>();

describeKvm('guests, each vCPU in its thread', () => {
  it.each(GUESTS)('$name: $shows', async (guest) => {
    const seen = await runThreaded(guest);
    threaded.set(guest.name, seen.result);
    check(guest, seen);
  });
});

describeKvm('guests with one vCPU, in this thread', () => {
  it.each(GUESTS.filter(canBeAlone))('$name', (guest) => {
    const seen = runAlone(guest);
    check(guest, seen);
    if (!guest.deterministic || expected(guest).ending.kind === 'endless') return;
    const other = threaded.get(guest.name) ?? runAlone(guest).result;
    expect(counted(seen.result)).toEqual(counted(other));
  });

  afterAll(() => threaded.clear());
});
