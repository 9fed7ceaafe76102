/** The control socket of a recorded run. What would be a change that its replay does not have is refused. */
import { resolve } from 'node:path';
import type { Recorder } from '../../../debug/recording/recorder.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { ControlError } from '../../../src/errors.ts';
import type { CheckpointSummary, EndSummary, MachineStatus } from '../../control/protocol.ts';
import { ControlServer, type ControlTarget } from '../../control/server.ts';
import { screenOf } from '../../screen/of-machine.ts';
import { packScreen } from '../../screen/packed.ts';

/** The run that the socket is of. */
export interface RecordedContext {
  readonly recorder: Recorder;
  readonly store: Store;
  /** Path of the image, if known. */
  readonly image: string | undefined;
  /** Ends the run. */
  stop(): void;
  /** Queues serial input; returns how many bytes there was room for. */
  send(bytes: Uint8Array): number;
}

/** See the file's header. Requests are served where the run rests, some times a second. */
export class RecordEndpoint {
  readonly #name: string;
  readonly #context: RecordedContext;
  readonly #started = new Date();
  #server: ControlServer | undefined;
  #last: CheckpointSummary | undefined;
  #ending = false;

  private constructor(name: string, context: RecordedContext) {
    this.#name = name;
    this.#context = context;
  }

  /** Takes the name and opens the socket. Throws UsageError or ControlError. */
  static async open(name: string, context: RecordedContext): Promise<RecordEndpoint> {
    const endpoint = new RecordEndpoint(name, context);
    endpoint.#server = await ControlServer.open(name, endpoint.#target());
    return endpoint;
  }

  #target(): ControlTarget {
    const { recorder, stop, send } = this.#context;
    const refused = (what: string) => () => {
      throw new ControlError(
        'RECORDED',
        `machine ${this.#name} is recorded: ${what}; see vmlapse blame ${this.#name}, and vmlapse debug REF --store DIR`,
      );
    };
    return {
      status: () => this.#status(),
      checkpoint: ({ label, tags }) => {
        if (label !== undefined) refused('the label of its checkpoints is their position, so leave --label out')();
        return this.#checkpoint(tags);
      },
      stop: ({ powerButton = false }) => {
        if (powerButton) refused('it has no power button')();
        stop();
        return { stopping: true };
      },
      screen: () => packScreen(screenOf(recorder.local.machine)),
      input: ({ data }) => ({ taken: send(Buffer.from(data, 'latin1')) }),
      press: refused('keys are not recorded, so none can be pressed'),
      pause: refused('it runs in the thread of its command, and is not paused'),
      resume: refused('it runs in the thread of its command, and is not paused'),
      rollback: refused('it is not rolled back'),
      gdb: refused('a debugger takes a checkpoint of it'),
      step: refused('it is not stepped while it runs'),
      diff: refused('it is compared by its checkpoints (vmlapse checkpoint, vmlapse diff)'),
      printed: refused('its timeline is not followed (vmlapse view --store DIR shows it)'),
    };
  }

  #status(): MachineStatus {
    const { recorder, store, image } = this.#context;
    const { cpus, memory } = recorder.local.machine.config;
    return {
      name: this.#name,
      pid: process.pid,
      state: this.#ending ? 'ending' : 'running',
      ...(image !== undefined && { guest: image }),
      cpus,
      memory,
      started: this.#started.toISOString(),
      uptimeMs: Date.now() - this.#started.getTime(),
      store: resolve(store.directory),
      checkpointing: false,
      recorded: recorder.exits,
      ...(this.#last && { lastCheckpoint: this.#last }),
    };
  }

  #checkpoint(tags: readonly string[] = []): CheckpointSummary {
    if (this.#ending)
      throw new ControlError('ENDING', `machine ${this.#name} has ended: its last checkpoint is latest`);
    const { recorder, store } = this.#context;
    const { digest, isCut } = recorder.checkpoint(tags);
    if (isCut)
      throw new ControlError(
        'COMPUTING',
        `machine ${this.#name} has come neither to an exit nor to an interruption within a second, and a recording has checkpoints only there: ask again later, or take its last one, ${digest.slice(0, 19)}`,
      );
    const { time, stats, label } = store.manifest(digest);
    this.#last = { digest, time, stats, ...(label !== undefined && { label }), tags: [...tags] };
    this.#server?.emit('checkpoint', this.#last);
    return this.#last;
  }

  /** Sends output of the guest. */
  output(bytes: Uint8Array): void {
    this.#server?.emit('output', { data: Buffer.from(bytes).toString('latin1') });
  }

  /** Changes the state to `ending`: the guest has ended, its last checkpoint is being written. */
  ending(): void {
    this.#ending = true;
  }

  /** Sends how the machine ended, and closes the socket. */
  async close(end: EndSummary): Promise<void> {
    this.#server?.emit('end', end);
    await this.#server?.close();
  }
}
