/** What `run` and `restore` hand over to be attended. */
import type { SymbolTable } from '../../../loaders/symbols.ts';
import type { GuestOrigin } from '../../../snapshot/machine-state.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';

/** A machine that is ready to run. */
export interface Subject {
  readonly machine: Machine;
  /** Called once the vCPUs exist, before the first run. */
  prepare?(running: RunningMachine): void;
  /** The checkpoint its memory equals. */
  readonly base?: Digest;
  readonly guest?: GuestOrigin;
  /** The machine was restored at its guest's end. */
  readonly ended?: boolean;
  /** The image, for `vmlapse ps`. */
  readonly image?: string;
  /** Symbols of the guest, for fault reports; read only when there is one. */
  symbols?(): SymbolTable;
}
