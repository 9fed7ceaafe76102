import { dropSlowReaders } from '../output.ts';
import { type EndSignal, SIGNAL_STATUS } from '../run-end.ts';

/** Catches signals while a machine runs: the first ends the run, the second the process. Dispose it after the run. */
export class EndSignals implements Disposable {
  readonly #stop: () => void;
  #caught: EndSignal | undefined;

  /** `stop` is called on the first signal. */
  constructor(stop: () => void) {
    this.#stop = stop;
    for (const name of NAMES) process.on(name, this.raise);
  }

  /** The first signal. */
  get caught(): EndSignal | undefined {
    return this.#caught;
  }

  /** Acts as if the signal had been received. */
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
