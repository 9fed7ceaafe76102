import { resolve } from 'node:path';
import type { CheckpointReport } from '../../../snapshot/checkpoint-options.ts';
import { liveView } from '../../../snapshot/diff/live-view.ts';
import type { GuestOrigin } from '../../../snapshot/machine-description.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { ControlError } from '../../../src/errors.ts';
import { raiseEvent } from '../../../src/machine/acpi/event.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { CheckpointSummary, EndSummary, MachineStatus, Methods } from '../../control/protocol.ts';
import { ControlServer, type ControlTarget } from '../../control/server.ts';
import { addressText, type ListenAddress, parseListenAddress } from '../../gdb/address.ts';
import { screenOf } from '../../screen/of-machine.ts';
import { packScreen } from '../../screen/packed.ts';
import { dropSlowReaders } from '../output.ts';
import { compare } from '../store/comparison.ts';
import { diffText } from '../store/diff-text.ts';
import { historyAround } from '../store/html/history-svg.ts';
import { diffPage } from '../store/html/page.ts';
import { colourful, plainText } from '../store/paint.ts';
import { diffData } from '../store/state-data.ts';
import { findSymbols, type SymbolsOf } from '../symbols.ts';
import type { DebugDoors } from './debug-doors.ts';
import { PrintedText } from './printed-text.ts';
import type { CheckpointSchedule, ScheduleListener } from './schedule.ts';
import { stepMachine } from './step.ts';

/** Where a machine listens that a debugger is asked for while it runs. */
const ANY_PORT: ListenAddress = { host: '127.0.0.1', port: 0 };

/** A machine that is ready to run. */
export interface PreparedMachine {
  readonly machine: Machine;
  /** Called once the vCPU threads exist, before the first run. */
  prepare?(running: RunningMachine): void;
  /** Puts the image into memory once more: a reset that the guest asks for does not end the run. */
  bootAgain?(): void;
  /** The checkpoint it was restored from. */
  readonly base?: Digest;
  readonly guest?: GuestOrigin;
  /** The machine was restored at its guest's end. */
  readonly ended?: boolean;
  /** Path of the image, shown by `vmlapse ps`. */
  readonly image?: string;
  /** Reads the symbols of the guest, for a fault report. */
  readonly symbols?: SymbolsOf;
}

/** What the parts of a session share. */
export interface RunContext {
  readonly running: RunningMachine;
  /** Ends the run under way, and each later one at once. */
  readonly stop: AbortController;
  /** Undefined without a store. */
  readonly schedule: CheckpointSchedule | undefined;
  readonly prepared: PreparedMachine;
  readonly doors: DebugDoors;
}

/** The control socket of a session: serves its methods and sends its events. {@link attach} opens it. */
export class ControlEndpoint implements ScheduleListener {
  readonly #name: string;
  readonly #started = new Date();
  #server: ControlServer | undefined;
  #context: RunContext | undefined;
  #last: CheckpointSummary | undefined;
  #ending = false;
  readonly #printed = new PrintedText();

  constructor(name: string) {
    this.#name = name;
  }

  /** Takes the name and opens the socket. Throws UsageError or ControlError. */
  async attach(context: RunContext): Promise<void> {
    this.#context = context;
    this.#server = await ControlServer.open(this.#name, this.#target(context));
  }

  #target({ running, stop, doors, prepared }: RunContext): ControlTarget {
    const changed = (event: 'pause' | 'resume', change: () => boolean) => {
      this.#refuseWhenEnding();
      if (change()) this.#server?.emit(event, {});
      return this.status();
    };
    return {
      status: () => this.status(),
      pause: () => changed('pause', () => running.hold()),
      resume: () => {
        doors.refuseWhenInUse('resumed');
        return changed('resume', () => running.resume());
      },
      checkpoint: async (params) => summary(await this.#schedule().checkpoint(params), params),
      rollback: ({ ref }) => {
        doors.refuseWhenInUse('rolled back');
        return this.#schedule().rollback(ref);
      },
      gdb: async ({ listen, anywhere = false }) => {
        this.#refuseWhenEnding();
        const wanted = listen === undefined ? ANY_PORT : parseListenAddress(listen, anywhere);
        return { address: addressText((await doors.open(wanted)).address) };
      },
      step: async ({ by, vcpu = 0 }) => {
        this.#refuseWhenEnding();
        const wasHeld = running.held;
        try {
          const result = await doors.step((stepping) => stepMachine(running, { by, vcpu }, stepping, prepared.symbols));
          this.#server?.emit('step', result);
          return result;
        } finally {
          if (!wasHeld && running.held) this.#server?.emit('pause', {});
        }
      },
      printed: ({ from = 0 }) => {
        running.drainOutput();
        const base = this.#context!.schedule?.live.session.base;
        return { ...(base && { base }), ...this.#printed.since(from) };
      },
      diff: (params) => diffWithNow(this.#schedule(), this.#context!.prepared, params),
      stop: ({ powerButton = false }) => {
        if (powerButton) {
          this.#pressPowerButton(running.machine);
          return { stopping: true };
        }
        dropSlowReaders();
        stop.abort();
        return { stopping: true };
      },
      screen: () => packScreen(screenOf(running.machine)),
      press: ({ codes }) => ({ taken: running.press(Buffer.from(codes, 'latin1')) }),
      input: ({ data }) => ({ taken: running.send(Buffer.from(data, 'latin1')) }),
    };
  }

  #pressPowerButton({ vm, config }: Machine): void {
    this.#refuseWhenEnding();
    if (config.irqchip && raiseEvent(vm, 'POWER_BUTTON')) return;
    throw new ControlError(
      'NO_BUTTON',
      `the guest of ${this.#name} does not listen to its power button: it has no driver for ACPI events; vmlapse stop ${this.#name} ends it at once`,
    );
  }

  #refuseWhenEnding(): void {
    if (this.#ending) throw new ControlError('ENDING', `machine ${this.#name} has ended; restore a checkpoint of it`);
  }

  #schedule(): CheckpointSchedule {
    this.#refuseWhenEnding();
    const { schedule } = this.#context!;
    if (schedule) return schedule;
    throw new ControlError('NO_STORE', `machine ${this.#name} has no store for checkpoints; start it with --store DIR`);
  }

  /** The result of `status`. */
  status(): MachineStatus {
    const { running, schedule, prepared } = this.#context!;
    const { cpus, memory } = running.machine.config;
    const base = schedule && baseOf(schedule);
    return {
      name: this.#name,
      pid: process.pid,
      state: this.#ending ? 'ending' : running.held ? 'paused' : 'running',
      ...(prepared.image !== undefined && { guest: prepared.image }),
      cpus,
      memory,
      started: this.#started.toISOString(),
      uptimeMs: Date.now() - this.#started.getTime(),
      ...(schedule && { store: resolve(schedule.store.directory) }),
      checkpointing: schedule?.live.busy ?? false,
      ...(this.#last && { lastCheckpoint: this.#last }),
      ...(base && { base }),
    };
  }

  /** Sends output of the guest. */
  output(bytes: Uint8Array): void {
    const data = Buffer.from(bytes).toString('latin1');
    this.#printed.add(data);
    this.#server?.emit('output', { data });
  }

  /** What is printed from here on is behind the checkpoint. */
  copied(): void {
    this.#context?.running.drainOutput();
    this.#printed.cut();
  }

  /** What was printed is of a time that is no longer. */
  loaded(): void {
    this.#context?.running.drainOutput();
    this.#printed.rolledBack();
  }

  /** What was printed is behind the checkpoint before. */
  missed(): void {
    this.#printed.mend();
  }

  /** Sends that a checkpoint is on disk. */
  taken(report: CheckpointReport, options: { readonly label?: string; readonly tags?: readonly string[] }): void {
    this.#last = summary(report, options);
    this.#printed.taken(report.digest);
    this.#server?.emit('checkpoint', this.#last);
  }

  /** Sends the progress of a checkpoint, in bytes. */
  progressed(done: number, total: number): void {
    this.#server?.emit('progress', { done, total });
  }

  /** Sends that the machine was rolled back. */
  rolledBack(digest: string, report: { readonly pages: number; readonly ms: number }): void {
    this.#server?.emit('rollback', { digest, ...report });
  }

  /** Changes the state to `ending`: the guest has ended, checkpoints are still being written. */
  ending(): void {
    this.#ending = true;
  }

  /** Sends how the machine ended, and closes the socket. */
  async close(end: EndSummary): Promise<void> {
    this.#server?.emit('end', end);
    await this.#server?.close();
  }
}

function summary(
  { digest, stats }: CheckpointReport,
  { label, tags }: { readonly label?: string; readonly tags?: readonly string[] },
): CheckpointSummary {
  const time = new Date().toISOString();
  return { digest, time, ...(label !== undefined && { label }), ...(tags && { tags }), stats };
}

/** The default checkpoint of a rollback. Undefined if there is none, or if it is no longer in the store. */
function baseOf({ live: { session }, store }: CheckpointSchedule): CheckpointSummary | undefined {
  const digest = session.base;
  if (!digest) return undefined;
  try {
    const { label, time, stats } = store.manifest(digest);
    const tags = store.index().heads.flatMap((head) => (head.digest === digest && head.tag) || []);
    return { digest, time, ...(label !== undefined && { label }), tags, stats };
  } catch {
    return undefined;
  }
}

const DEFAULT_LIMIT = 40;
/** Most ranges of one answer. */
const MOST_RANGES = 20_000;

/** Compares a checkpoint, by default the machine's last one, with the machine as it is now. */
function diffWithNow(
  { live: { session }, store }: CheckpointSchedule,
  { guest }: PreparedMachine,
  {
    ref,
    limit = DEFAULT_LIMIT,
    stat = false,
    colour = false,
    ascii = false,
    symbols: file,
    page = false,
  }: Methods['diff']['params'],
): Methods['diff']['result'] {
  using before = store.open(ref ?? session.base ?? 'latest');
  using after = liveView(session, before, guest);
  const { description } = decodeState(after.config);
  const symbols = findSymbols(file, description);
  const most = Math.min(limit === 0 ? MOST_RANGES : limit, MOST_RANGES);
  const diff = compare(before, after, { symbols, limit: most });
  const text = diffText(diff, { paint: colour ? colourful : plainText, limit: most, stat, ascii });
  const data = diffData(diff);
  return { data, text, ...(page && { page: diffPage(diff, historyAround(store, diff), description.guest?.path) }) };
}
