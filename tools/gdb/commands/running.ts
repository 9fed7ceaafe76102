/** Packets that let the machine go on, and those that leave it. They are answered when it stands still again. */
import type { Stop } from '../../../debug/stops/attached.ts';
import { mutable, REGISTERS } from '../../../debug/stops/registers.ts';
import { UsageError } from '../../../src/errors.ts';
import { parseVCont, type Resumption, VCONT_ACTIONS } from '../actions.ts';
import type { Client } from '../client.ts';
import { numberOf } from '../packets.ts';
import { endReply, stopReply } from '../stop-reply.ts';
import { NONSENSE, OK, type PacketRow, UNSUPPORTED } from './row.ts';

/** Registers that a stop reply has: those that every client asks for next. */
const EXPEDITED = ['rip', 'rsp', 'rbp'] as const;
const EXPEDITED_ROWS = EXPEDITED.map((name) => REGISTERS.find((row) => row.name === name)!);

/** The packet that says why the machine stands still, or how it has ended. */
export async function whyStopped(client: Client): Promise<string> {
  const { stop, features, target, watches } = client;
  if (stop.kind === 'over') {
    client.isOver = true;
    return endReply(stop.end!, features.multiprocess);
  }
  const { registers } = await target.debugger.vcpu(stop.vcpu);
  const sent = EXPEDITED_ROWS.map(({ name, read }) => [name, read(registers)] as const);
  return stopReply(stop, features, sent, watches.get(stop.address ?? 0n));
}

async function resume(client: Client, { actions, range }: Resumption): Promise<string> {
  const { debugger: dbg } = client.target;
  client.hasContinued = true;
  return await move(client, Math.max(0, actions.indexOf('step')), async () => {
    let stop = await dbg.resume(actions);
    for (let left = MOST_STEPS; range && (await isWithin(stop, range, dbg)) && left > 0; left--) {
      if (client.isInterrupted) return dbg.ended ?? { vcpu: stop.vcpu, kind: 'interrupt' };
      stop = await dbg.resume(actions);
    }
    return stop;
  });
}

/** Lets the machine go somewhere. Where it cannot, it stands where it stood, and the client is told why. */
async function move(client: Client, vcpu: number, how: () => Promise<Stop>): Promise<string> {
  client.isInterrupted = false;
  try {
    client.stop = await how();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    client.explain(error.message);
    client.stop = { vcpu, kind: 'interrupt' };
  }
  if (client.stop.kind === 'end') client.explain(describeEnd(client.stop));
  client.flushExplanations();
  client.vcpu = client.stop.vcpu;
  return await whyStopped(client);
}

/** After so many steps within a range the client is asked again, so that one that does not send Ctrl-C is not lost. */
const MOST_STEPS = 100_000;

async function isWithin(stop: Stop, range: NonNullable<Resumption['range']>, dbg: Client['target']['debugger']) {
  if (stop.kind !== 'step' || stop.vcpu !== range.vcpu) return false;
  const { pc } = await dbg.vcpu(stop.vcpu);
  return pc >= range.start && pc < range.end;
}

const describeEnd = ({ end }: Stop) =>
  `the guest has ended: ${end!.reason}; it can be looked at; when it goes on, the run ends`;

/** `c`, `s` and their forms with a signal, which is nothing to a machine; `address`: where to go on. */
async function legacy(client: Client, action: 'run' | 'step', address: string | undefined): Promise<string> {
  const { debugger: dbg } = client.target;
  const vcpu = client.stepped ?? client.vcpu;
  if (address) {
    const value = numberOf(address);
    if (value === undefined) return NONSENSE;
    const state = mutable((await dbg.vcpu(vcpu)).registers);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    REGISTERS.find(({ name }) => name === 'rip')!.write(state, bytes);
    await dbg.setRegisters(vcpu, { regs: state.regs });
  }
  const actions = Array.from({ length: client.cpus }, (_, id) => (id === vcpu ? action : ('run' as const)));
  return await resume(client, { actions });
}

const afterSignal = (rest: string) => rest.split(';')[1];

/** `bs` and `bc`: back by a step, or to the last stop before. */
function back(client: Client, action: 'step' | 'run'): Promise<string> | string {
  const { past } = client.target.debugger;
  return past ? move(client, 0, () => past.back(action)) : UNSUPPORTED;
}

function detach(client: Client): string {
  client.isOver = true;
  client.isDetached = true;
  return OK;
}

function kill(client: Client): string {
  client.isOver = true;
  client.target.kill();
  return OK;
}

export const RUNNING_PACKETS: readonly PacketRow[] = [
  ['?', (client) => whyStopped(client)],
  ['vCont?', () => VCONT_ACTIONS],
  [
    'vCont',
    (client, rest) => {
      const resumption = parseVCont(rest, client.cpus);
      return resumption ? resume(client, resumption) : NONSENSE;
    },
  ],
  ['vCtrlC', () => OK], // only when the machine stands still is it read at all
  ['vKill', kill],
  ['v', () => UNSUPPORTED],
  ['c', (client, rest) => legacy(client, 'run', rest)],
  ['s', (client, rest) => legacy(client, 'step', rest)],
  ['C', (client, rest) => legacy(client, 'run', afterSignal(rest))],
  ['S', (client, rest) => legacy(client, 'step', afterSignal(rest))],
  ['bs', (client) => back(client, 'step')],
  ['bc', (client) => back(client, 'run')],
  ['D', detach],
  ['k', (client) => void kill(client)],
];
