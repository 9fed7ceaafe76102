/** The checkpoints of a recording, and the machine that runs it again: which is put back to one, or compared with one. */
import type { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { differences, differencesText } from './compare.ts';
import type { Recording } from './recording.ts';

/** See the file's header. `point` is always an index into the recording's points. */
export class Points implements Disposable {
  readonly #recording: Recording;
  readonly #session: CheckpointSession;
  /** What was loaded last: the next load of it is faster if it stays open. */
  #loaded: Checkpoint | undefined;

  constructor(recording: Recording, session: CheckpointSession) {
    this.#recording = recording;
    this.#session = session;
  }

  /** Puts the machine back to a point. Throws KvmError or CheckpointError. */
  load(point: number): void {
    if (this.#loaded?.digest !== this.#recording.points[point]!.digest) {
      this.#loaded?.[Symbol.dispose]();
      this.#loaded = this.#recording.open(point);
    }
    this.#session.rollback(this.#loaded);
  }

  /** What of the machine differs from a point, in words; undefined where nothing does. */
  unlike(point: number): string | undefined {
    using recorded = this.#recording.open(point);
    return differencesText(differences(this.#session, recorded));
  }

  [Symbol.dispose](): void {
    this.#loaded?.[Symbol.dispose]();
  }
}
