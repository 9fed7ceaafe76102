/** Finding running machines by name. */
import { readdirSync } from 'node:fs';
import { ControlError } from '../../src/errors.ts';
import { ControlClient } from './client.ts';
import { probe } from './probe.ts';
import type { MachineStatus } from './protocol.ts';
import { checkFolder, nameOfSocket, runtimeFolder, socketPath } from './runtime-folder.ts';

/** A machine in the list. Without a status: its socket is open, but its answer was wrong or did not come in time. */
export interface ListedMachine {
  readonly name: string;
  readonly status?: MachineStatus;
}

const LIST_PATIENCE_MS = 2000;

/** Names that have a socket, in order; some may be stale. Throws ControlError UNSAFE_FOLDER. */
function names(): string[] {
  const folder = runtimeFolder();
  if (!checkFolder(folder)) return [];
  return readdirSync(folder)
    .flatMap((file) => nameOfSocket(file) ?? [])
    .sort();
}

/** This user's running machines, by name. Skips stale sockets. */
export async function listMachines(): Promise<ListedMachine[]> {
  const found = await Promise.all(names().map(look));
  return found.flatMap((machine) => machine ?? []);
}

async function look(name: string): Promise<ListedMachine | undefined> {
  const found = await probe(socketPath(runtimeFolder(), name));
  if (found.state !== 'live') return undefined;
  const client = new ControlClient(name, found.socket);
  try {
    return { name, status: await client.call('status', {}, LIST_PATIENCE_MS) };
  } catch (error) {
    return error instanceof ControlError && error.code !== 'GONE' ? { name } : undefined;
  } finally {
    client.close();
  }
}

/** Connects to the machine of this name; undefined if none runs. Throws ControlError UNSAFE_FOLDER. */
export async function findMachine(name: string): Promise<ControlClient | undefined> {
  if (!names().includes(name)) return undefined;
  const found = await probe(socketPath(runtimeFolder(), name));
  return found.state === 'live' ? new ControlClient(name, found.socket) : undefined;
}

/** Connects to a machine. Throws UsageError or ControlError NO_MACHINE, STALE, DENIED, UNREACHABLE, UNSAFE_FOLDER. */
export async function connectTo(name: string): Promise<ControlClient> {
  const folder = runtimeFolder();
  const path = socketPath(folder, name);
  checkFolder(folder);
  const found = await probe(path);
  if (found.state === 'live') return new ControlClient(name, found.socket);
  throw await unreachable(name, path, found);
}

async function unreachable(name: string, path: string, found: { readonly state: string; readonly error?: Error }) {
  if (found.state === 'denied') {
    return new ControlError(
      'DENIED',
      `${path}: permission denied; only the user who runs machine ${name} may talk to it`,
    );
  }
  if (found.error) return new ControlError('UNREACHABLE', `machine ${name} cannot be reached: ${found.error.message}`);
  const others = (await listMachines()).map((machine) => machine.name);
  const known =
    others.length > 0
      ? `running: ${others.join(', ')}`
      : 'no machine with a name runs (give one: vmlapse run --name NAME)';
  return found.state === 'stale'
    ? new ControlError('STALE', `machine ${name} is gone: it was killed and left its socket behind; ${known}`)
    : new ControlError('NO_MACHINE', `no machine is named ${name}; ${known}`);
}
