/** Recordings and debuggers: what they cost the guest, how fast it steps, and how fast one goes back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type History, openHistory } from '../../debug/history.ts';
import { DEFAULT_INTERVAL_MS, Recorder } from '../../debug/recording/recorder.ts';
import { Debugger } from '../../debug/stops/debugger.ts';
import { Traveler } from '../../debug/travel/traveler.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { readImage } from '../../loaders/read.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import type { Bench } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import { interleave, quantile } from '../measure.ts';
import { ROOT, runFloor, turnsGuest } from '../native.ts';
import { bootedMachine } from '../ours.ts';
import type { Result } from '../report.ts';
import { filledCheckpoint } from './restore.ts';

const RAM_MIB = 16;
const ROUNDS = 7;
const SOME_TURNS = 50_000;
const WORK = 1;
const STEPS = 20_000;
const HOUR_MS = 3_600_000;
/** What the bars of a recording are for. */
const MANY_TURNS = 1_000_000;
const PLACES = 20;
const STEPS_BACK = 10;
const SECOND_MS = 1000;
const FILLED_MIB = 256;

/** A machine as it is recorded, or one whose run loop is the floor: chips in user space look at the clock themselves there. */
function recordable(turns: number, userChips = true): Machine {
  using file = readImage(turnsGuest(turns, WORK));
  const machine = Machine.create({ memory: RAM_MIB * 2 ** 20, irqchip: false, userChips });
  bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
  return machine;
}

function exitsOfRun(run: () => number): number {
  const start = performance.now();
  const exits = run();
  return exits / ((performance.now() - start) / SECOND_MS);
}

function plainRun(): number {
  using machine = recordable(SOME_TURNS, false);
  using local = new LocalMachine(machine);
  return exitsOfRun(() => {
    local.advance();
    return local.exits;
  });
}

function recordedRun(store: Store, everyMs: number): number {
  using machine = recordable(SOME_TURNS);
  using recorder = new Recorder(machine, store, { everyMs });
  return exitsOfRun(() => {
    recorder.run();
    return recorder.exits;
  });
}

const recording = () =>
  withStore(async (store): Promise<Result[]> => {
    const unit = 'exits/s';
    const { log, all, floor } = await interleave(ROUNDS, {
      log: () => recordedRun(store, HOUR_MS),
      all: () => recordedRun(store, DEFAULT_INTERVAL_MS),
      floor: plainRun,
    });
    const note = 'floor: the same run loop, not recorded';
    return [
      { name: 'recording: the log', ours: log, floor, unit, bar: { at: 'least', ratio: 0.85 }, note },
      { name: `recording: and a checkpoint each ${DEFAULT_INTERVAL_MS} ms`, ours: all, floor, unit, note },
    ];
  });

/** Exits per second on a vCPU thread, with a debugger or without. */
async function threadRate(isDebugged: boolean): Promise<number> {
  using machine = bootedMachine(turnsGuest(SOME_TURNS, WORK), RAM_MIB);
  const running = await RunningMachine.start(machine);
  const over = new Set(['exit-port'] as const);
  const debug = isDebugged ? Debugger.attach(running, { passes: over }) : undefined;
  const start = performance.now();
  const ended = running.run();
  void debug?.resume().catch(() => {});
  const { exits } = await ended;
  const seconds = (performance.now() - start) / SECOND_MS;
  await running.close();
  return (exits.IO ?? 0) / seconds;
}

async function idleDebugger(): Promise<Result[]> {
  const rates = await interleave(ROUNDS, { ours: () => threadRate(true), floor: () => threadRate(false) });
  const note = 'attached, and the guest runs; floor: none attached';
  return [{ name: 'debugger, idle', ...rates, unit: 'exits/s', bar: { at: 'least', ratio: 0.97 }, note }];
}

/** Steps per second in a recording. */
function stepRate(history: History): number {
  history.seek({ exits: 0, steps: 0 });
  const start = performance.now();
  for (let i = 0; i < STEPS; i++) history.step();
  return STEPS / ((performance.now() - start) / SECOND_MS);
}

const steps = () =>
  withStore(async (store): Promise<Result[]> => {
    recordedRun(store, DEFAULT_INTERVAL_MS);
    using history = recordedHistory(store, SOME_TURNS);
    const guest = turnsGuest(SOME_TURNS, WORK);
    const rates = await interleave(ROUNDS, {
      ours: () => stepRate(history),
      floor: () => STEPS / runFloor<{ seconds: number }>('step', [guest, RAM_MIB, STEPS]).seconds,
    });
    const note = 'of a recording; floor: a C program that steps the same guest';
    return [{ name: 'steps', ...rates, unit: 'steps/s', bar: { at: 'least', ratio: 0.85 }, note }];
  });

function recordedHistory(store: Store, turns: number): History {
  using machine = recordable(turns);
  using recorder = new Recorder(machine, store);
  recorder.run();
  return openHistory(store, recorder.finish().digest);
}

/** Milliseconds of what a debugger of a recording does. */
async function msOf(does: () => unknown): Promise<number> {
  const start = performance.now();
  await does();
  return performance.now() - start;
}

/** Places that are spread over a recording, and over the steps between two exits. */
const placeOf = (i: number) => ({ exits: Math.floor((MANY_TURNS * (i + 0.5)) / PLACES), steps: 3 + i });

const back = () =>
  withStore(async (store): Promise<Result[]> => {
    using history = recordedHistory(store, MANY_TURNS);
    const traveler = new Traveler(history);
    const seeks: number[] = [];
    const stepsBack: number[] = [];
    for (let i = 0; i < PLACES; i++) {
      seeks.push(await msOf(() => history.seek(placeOf((i * 7) % PLACES))));
      for (let step = 0; step < STEPS_BACK; step++) stepsBack.push(await msOf(() => traveler.past.back('step')));
    }
    const ends: Result[] = [];
    for (const [what, address] of [
      ['a breakpoint that is hit once', 0x100000n],
      ['a breakpoint in each turn', TURN],
    ] as const) {
      history.seek(history.end);
      await traveler.setBreakpoint(address);
      const ours = (await msOf(() => traveler.past.back('run'))) / SECOND_MS;
      traveler.clearBreakpoint(address);
      ends.push(withBar(`reverse-continue: ${what}`, ours, 20, 's'));
    }
    return [
      { name: 'seek', ours: quantile(seeks, 0.5), floor: null, unit: 'ms', note: `p50, in ${MANY_TURNS} exits` },
      withBar('reverse-stepi, p50', quantile(stepsBack, 0.5), 100, 'ms'),
      withBar('reverse-stepi, p95', quantile(stepsBack, 0.95), 300, 'ms'),
      ...ends,
    ];
  });

/** Behind the first instruction, of five bytes. */
const TURN = 0x100005n;

const withBar = (name: string, ours: number, most: number, unit: string): Result => ({
  ...{ name, ours, floor: most, unit },
  bar: { at: 'most', ratio: 1 },
  note: `in a recording of ${MANY_TURNS} exits; floor: what is wanted`,
});

/** From the command to the answer of its door. */
async function attachMs(folder: string, digest: string): Promise<number> {
  const start = performance.now();
  const cli = join(ROOT, 'dist', 'tools', 'bin', 'vmlapse.js');
  const command = spawn(process.execPath, [cli, 'gdb', digest, '--store', folder, '--listen', '0'], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  try {
    let said = '';
    let port: string | undefined;
    for await (const bytes of command.stderr) {
      said += bytes;
      port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port) break;
    }
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('$?#3f');
    await once(socket, 'data');
    const ms = performance.now() - start;
    socket.destroy();
    return ms;
  } finally {
    command.kill('SIGTERM');
    await once(command, 'exit');
  }
}

const attach = () =>
  withStore(async (store): Promise<Result[]> => {
    const digest = await filledCheckpoint(store, FILLED_MIB);
    const { ours } = await interleave(3, { ours: () => attachMs(store.directory, digest) });
    const name = `attach: a checkpoint of ${FILLED_MIB} MiB`;
    const note = 'from the command to the first answer; floor: what is wanted';
    return [{ name, ours, floor: SECOND_MS, unit: 'ms', bar: { at: 'most', ratio: 1 }, note }];
  });

export const TRAVEL_BENCHES: readonly Bench[] = [
  { name: 'recording', run: recording },
  { name: 'debugger idle', run: idleDebugger },
  { name: 'debugger steps', run: steps },
  { name: 'debugger back', run: back },
  { name: 'debugger attach', run: attach },
];
