/** Signals while a machine runs: the first ends the run, the second ends the process. */

import { dropSlowReaders } from '../output.ts';
import { type EndSignal, SIGNAL_STATUS } from '../run-end.ts';

/** Catches the signals until disposed. */
export class EndSignals implements Disposable {
  readonly #stop: () => void;
  #caught: EndSignal | undefined;

  /** `stop` is called at the first signal. */
  constructor(stop: () => void) {
    this.#stop = stop;
    for (const name of NAMES) process.on(name, this.raise);
  }

  /** The signal that came first. */
  get caught(): EndSignal | undefined {
    return this.#caught;
  }

  /** As if the signal had come. */
  readonly raise = (name: NodeJS.Signals): void => {
    if (this.#caught) process.exit(SIGNAL_STATUS[this.#caught]);
    this.#caught = name as EndSignal;
    dropSlowReaders();
    this.#stop();
  };

  [Symbol.dispose](): void {
    for (const name of NAMES) process.off(name, this.raise);
  }
}

const NAMES = Object.keys(SIGNAL_STATUS) as EndSignal[];
