/**
 * A process that restores checkpoints with a thread for each vCPU and lets them run to their end. Its argument is a list
 * of {@link Revival} as JSON; it prints what came of each, in the same order.
 */
import { restoreMachine } from '../../../snapshot/restore.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { scaled } from '../../support/time.ts';

/** A checkpoint to bring back, and what to type then. */
export interface Revival {
  readonly store: string;
  readonly ref: string;
  readonly type?: string;
}

/** Its further life. */
export interface Afterlife {
  readonly serial: string;
  readonly reason: string;
  readonly value?: number;
  readonly exits: Readonly<Record<string, number>>;
}

const TIME_LIMIT_MS = scaled(20_000);

async function revive({ store: directory, ref, type }: Revival): Promise<Afterlife> {
  using store = openStore(directory, { readOnly: true });
  using checkpoint = store.open(ref);
  const { machine, load } = restoreMachine(checkpoint, { generation: 'keep' });
  using _machine = machine;
  let serial = '';
  const running = await RunningMachine.start(machine, {
    serial: (bytes) => {
      serial += Buffer.from(bytes).toString('latin1');
    },
  });
  load(running);
  if (type !== undefined) running.send(Buffer.from(type));
  const { reason, value, exits } = await running.run({ timeoutMs: TIME_LIMIT_MS });
  await running.close();
  return { serial, reason, exits, ...(value !== undefined && { value }) };
}

const lives: Afterlife[] = [];
for (const revival of JSON.parse(process.argv[2]!) as readonly Revival[]) lives.push(await revive(revival));
process.stdout.write(JSON.stringify(lives));
