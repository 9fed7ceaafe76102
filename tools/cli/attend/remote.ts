/** The control socket of a machine that `run` or `restore` attends: what its methods do, and what it tells. */
import { resolve } from 'node:path';
import type { CheckpointReport } from '../../../snapshot/session.ts';
import { ControlError } from '../../../src/errors.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { CheckpointSummary, EndSummary, MachineStatus } from '../../control/protocol.ts';
import { ControlServer, type ControlTarget } from '../../control/server.ts';
import { hurry } from '../output.ts';
import { baseOf } from './base.ts';
import { diffWithNow } from './diff-now.ts';
import type { Hold } from './hold.ts';
import type { Recorder } from './recorder.ts';
import type { Subject } from './subject.ts';

/** What can be done with the machine. */
export interface Attended {
  readonly running: RunningMachine;
  readonly hold: Hold;
  /** Absent: it was started without a store. */
  readonly recorder?: Recorder;
  readonly subject: Subject;
}

/** See the file's header. Made before the machine's threads; {@link attach} lets clients at it. */
export class Remote {
  readonly #name: string;
  readonly #started = new Date();
  #server: ControlServer | undefined;
  #attended: Attended | undefined;
  #last: CheckpointSummary | undefined;
  #ending = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Takes the name and opens the socket. Throws UsageError or ControlError. */
  async attach(attended: Attended): Promise<void> {
    this.#attended = attended;
    this.#server = await ControlServer.open(this.#name, this.#target(attended));
  }

  #target({ running, hold }: Attended): ControlTarget {
    const changed = (event: 'pause' | 'resume', change: () => boolean) => {
      this.#refuseWhenEnding();
      if (change()) this.#server?.emit(event, {});
      return this.status();
    };
    return {
      status: () => this.status(),
      pause: () => changed('pause', () => hold.pause()),
      resume: () => changed('resume', () => hold.resume()),
      checkpoint: async (params) => summary(await this.#recorder().checkpoint(params), params),
      rollback: ({ ref }) => this.#recorder().rollback(ref),
      diff: (params) => diffWithNow(this.#recorder(), this.#attended!.subject, params),
      stop: () => {
        hurry();
        hold.stop();
        return { stopping: true };
      },
      input: ({ data }) => ({ taken: running.send(Buffer.from(data, 'latin1')) }),
    };
  }

  #refuseWhenEnding(): void {
    if (this.#ending) throw new ControlError('ENDING', `machine ${this.#name} has ended; restore a checkpoint of it`);
  }

  #recorder(): Recorder {
    this.#refuseWhenEnding();
    const { recorder } = this.#attended!;
    if (recorder) return recorder;
    throw new ControlError('NO_STORE', `machine ${this.#name} has no store for checkpoints; start it with --store DIR`);
  }

  /** As `status` answers it. */
  status(): MachineStatus {
    const { running, hold, recorder, subject } = this.#attended!;
    const { cpus, memory } = running.machine.config;
    const base = recorder && baseOf(recorder);
    return {
      name: this.#name,
      pid: process.pid,
      state: this.#ending ? 'ending' : hold.paused ? 'paused' : 'running',
      ...(subject.image !== undefined && { guest: subject.image }),
      cpus,
      memory,
      started: this.#started.toISOString(),
      uptimeMs: Date.now() - this.#started.getTime(),
      ...(recorder && { store: resolve(recorder.store.directory) }),
      checkpointing: recorder?.live.busy ?? false,
      ...(this.#last && { lastCheckpoint: this.#last }),
      ...(base && { base }),
    };
  }

  /** The guest printed something. */
  output(bytes: Uint8Array): void {
    if (this.#server?.wanted('output')) this.#server.emit('output', { data: Buffer.from(bytes).toString('latin1') });
  }

  /** A checkpoint is on disk. */
  taken(report: CheckpointReport, options: { readonly label?: string; readonly tags?: readonly string[] }): void {
    this.#last = summary(report, options);
    this.#server?.emit('checkpoint', this.#last);
  }

  /** A checkpoint is being written: so many bytes of so many. */
  progressed(done: number, total: number): void {
    this.#server?.emit('progress', { done, total });
  }

  /** The machine was put back. */
  rolledBack(digest: string, report: { readonly pages: number; readonly ms: number }): void {
    this.#server?.emit('rollback', { digest, ...report });
  }

  /** The guest has ended; what it left is still being written. */
  ending(): void {
    this.#ending = true;
  }

  /** Tells how it ended, and closes. */
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
