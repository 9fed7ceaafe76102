/** Checkpoints with something changed in their config, as a restore may find them. */
import { CheckpointSession } from '../../snapshot/session.ts';
import type { CheckpointConfig, Json } from '../../snapshot/store/format/documents.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { drive } from './driver.ts';
import { temporaryDirectory } from './store/support.ts';

/** Parts of a state by name. */
type State = Record<string, Uint8Array>;
/** Changes the config of a checkpoint. */
export type Doctor = (config: { version: number; machine: Record<string, unknown>; state: State }) => void;

/** Takes a checkpoint, changes its config as `doctor` says, commits that as another, and calls `use` with its name. */
export function withDoctored(doctor: Doctor, use: (store: Store, ref: string) => void, irqchip = true): void {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const { driver } = drive('kernel', {}, irqchip);
  using _ = driver;
  driver.go(20);
  using session = new CheckpointSession(driver.local, store);
  const { digest } = session.checkpoint();
  using checkpoint = store.open(digest);
  const { version, machine, state } = checkpoint.config;
  const config = {
    version,
    machine: structuredClone(machine) as Record<string, unknown>,
    state: { ...state } as State,
  };
  doctor(config);
  store.commit({
    config: { ...config, machine: config.machine as Json } as CheckpointConfig,
    runs: [],
    parent: digest,
    tags: ['doctored'],
  });
  use(store, 'doctored');
}

/** Puts other bytes in the place of a part. */
export const put =
  (part: string, bytes: Uint8Array | ((old: Uint8Array) => Uint8Array)): Doctor =>
  ({ state }) => {
    state[part] = typeof bytes === 'function' ? bytes(state[part]!) : bytes;
  };

/** Puts another value into the machine's description. */
export const describeAs =
  (field: string, value: unknown): Doctor =>
  ({ machine }) => {
    machine[field] = value;
  };

/** Says that the state is of another version. */
export const setVersion =
  (version: number): Doctor =>
  (config) => {
    config.version = version;
  };
