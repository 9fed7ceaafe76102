/** `vmlapse console NAME`: the serial console of a running machine, on this terminal. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlClient } from '../../control/client.ts';
import type { EventData, EventName } from '../../control/protocol.ts';
import type { CommandRow } from '../command.ts';
import { attachConsole, EnterEcho, isInteractive } from '../console.ts';
import { printLine, writeTo } from '../output.ts';
import { endWithReader } from '../reader.ts';
import { connectionLost, NAME_ARGUMENT, PATIENCE_MS, withMachine } from './machine.ts';

export const CONSOLE: CommandRow = {
  name: 'console',
  about: 'attach to the serial console of a running machine',
  arguments: NAME_ARGUMENT,
  help: `Examples:
  vmlapse console kitchen
  echo ls | vmlapse console kitchen

Shows what the guest prints from now on and sends it what is typed. On a terminal, Ctrl-A d detaches and Ctrl-A h helps;
the machine runs on. Otherwise the command ends when the machine does, or on Ctrl-C.`,
  run: (name: string) => withMachine(name, attach),
};

const PAUSED = (name: string) => `vmlapse: ${name} is paused; it goes on with: vmlapse resume ${name}`;

async function attach(client: ControlClient): Promise<void> {
  const { name } = client;
  const echo = new EnterEcho();
  let left = false;
  const leave = () => {
    left = true;
    client.close();
    if (process.stdin.isTTY) printLine(`\r\nvmlapse: detached from ${name}`);
  };
  const show: Shown = {
    output: ({ data }) => void client.holdUntil(writeTo(process.stdout, echo.shown(Buffer.from(data, 'latin1')))),
    pause: () => printLine(PAUSED(name)),
    resume: () => printLine(`vmlapse: ${name} goes on`),
    end: ({ reason }) => printLine(`vmlapse: ${name} has ended: ${reason}`),
  };
  await client.subscribe(Object.keys(show) as EventName[], (event) =>
    show[event.event as keyof Shown]?.(event as never),
  );
  const status = await client.unlessEnded(client.call('status', {}, PATIENCE_MS));
  if (!status) return; // it has ended, and that was shown
  if (status.state === 'paused') printLine(PAUSED(name));
  const sender = inputSender(client);
  const commands = { d: { help: 'detach; the machine runs on', run: leave } };
  const send = (bytes: Uint8Array) => {
    const taken = sender.send(bytes);
    if (process.stdin.isTTY) echo.typed(bytes.subarray(0, taken));
    return taken;
  };
  if (isInteractive()) printLine('vmlapse: Ctrl-A d detaches, Ctrl-A h helps');
  endWithReader();
  const detach = attachConsole({ send, leave, printLine, commands });
  try {
    await client.closed;
  } finally {
    sender.stop();
    detach();
  }
  if (!left && !client.end) throw connectionLost(name);
}

/** What is done with each kind of event. */
type Shown = { readonly [Name in 'output' | 'pause' | 'resume' | 'end']: (event: EventData[Name]) => void };

/** Bytes that may wait here for a guest that does not read. */
const QUEUE_BYTES = 4096;
const RETRY_MS = 10;

/** Sends what is typed to the machine: in order, one request at a time. After `stop`, nothing more is sent. */
interface InputSender {
  /** Queues bytes; returns how many there was room for. */
  send(bytes: Uint8Array): number;
  stop(): void;
}

function inputSender(client: Pick<ControlClient, 'call'>): InputSender {
  let queue: Buffer = Buffer.alloc(0);
  let busy = false;
  let stopped = false;
  const drain = async () => {
    busy = true;
    try {
      while (queue.length > 0 && !stopped) {
        const { taken } = await client.call('input', { data: queue.toString('latin1') });
        queue = queue.subarray(taken);
        if (taken === 0) await sleep(RETRY_MS);
      }
    } catch {
      stopped = true; // the connection is closed, which `client.closed` reports
    }
    busy = false;
  };
  return {
    send(bytes) {
      const some = bytes.subarray(0, QUEUE_BYTES - queue.length);
      queue = Buffer.concat([queue, some]);
      if (!busy && !stopped && queue.length > 0) void drain();
      return some.length;
    },
    stop() {
      stopped = true;
    },
  };
}
