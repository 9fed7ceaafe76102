import { dropSlowReaders } from '../output.ts';
import { type EndSignal, SIGNAL_STATUS } from '../run-end.ts';

/** Catches signals while a machine runs: the first ends the run, the second the process. Dispose it after the run. */
export class EndSignals implements Disposable {
  readonly #stop: () => void;
  readonly #passesOver: readonly EndSignal[];
  #caught: EndSignal | undefined;

  /** `stop` is called on the first signal. `passesOver`: those that are for another program at this terminal. */
  constructor(stop: () => void, { passesOver = [] }: { readonly passesOver?: readonly EndSignal[] } = {}) {
    this.#stop = stop;
    this.#passesOver = passesOver;
    for (const name of NAMES) process.on(name, this.#on(name));
  }

  /** What is called for a signal: one that is passed over is caught, too, or it would end the process. */
  #on(name: EndSignal): (name: NodeJS.Signals) => void {
    return this.#passesOver.includes(name) ? passOver : this.raise;
  }

  /** The first signal. */
  get caught(): EndSignal | undefined {
    return this.#caught;
  }

  /** Acts as if the signal had been received. */
  readonly raise = (name: NodeJS.Signals): void => {
    if (this.#caught) endAtOnce(this.#caught);
    this.#caught = name as EndSignal;
    dropSlowReaders();
    this.#stop();
  };

  [Symbol.dispose](): void {
    for (const name of NAMES) process.off(name, this.#on(name));
  }
}

/**
 * Ends the process by the signal's own action. process.exit() would first break off the threads of vCPUs, whatever they do, and
 * wait for them.
 */
function endAtOnce(name: EndSignal): never {
  const status = SIGNAL_STATUS[name];
  process.emit('exit', status); // a name and a terminal are given back
  process.removeAllListeners(name);
  process.kill(process.pid, name);
  process.exit(status); // process 1 of a container is not ended by a signal of its own
}

const passOver = () => {};
const NAMES = Object.keys(SIGNAL_STATUS) as EndSignal[];
