/** `vmlapse console NAME`: the serial console of a running machine, on this terminal. */
import type { Command } from 'commander';
import type { ControlClient } from '../../control/client.ts';
import { connectTo } from '../../control/machines.ts';
import type { EventData, EventName } from '../../control/protocol.ts';
import { attachConsole } from '../console.ts';
import { EnterEcho } from '../enter-echo.ts';
import { isInteractive } from '../foreground.ts';
import { tell, writeTo } from '../output.ts';
import { inputSender } from '../remote-input.ts';
import { connectionLost, nameArgument, PATIENCE_MS } from '../with-machine.ts';

const EXAMPLES = `
Examples:
  vmlapse console kitchen
  echo ls | vmlapse console kitchen

Shows what the guest prints from now on and sends it what is typed. On a terminal, Ctrl-A d detaches and Ctrl-A h helps;
the machine runs on. Otherwise the command ends when the machine does, or on Ctrl-C.`;

/** Adds the command. */
export function addConsole(program: Command): void {
  program
    .command('console')
    .description('attach to the serial console of a running machine')
    .addArgument(nameArgument())
    .addHelpText('after', EXAMPLES)
    .action(async (name: string) => {
      const client = await connectTo(name);
      try {
        await attach(client);
      } finally {
        client.close();
      }
    });
}

const PAUSED = (name: string) => `vmlapse: ${name} is paused; it goes on with: vmlapse resume ${name}`;

async function attach(client: ControlClient): Promise<void> {
  const { name } = client;
  const echo = new EnterEcho();
  let over = false;
  const leave = () => {
    over = true;
    client.close();
    if (process.stdin.isTTY) tell(`\r\nvmlapse: detached from ${name}`);
  };
  const show: Shown = {
    output: ({ data }) => void client.holdUntil(writeTo(process.stdout, echo.shown(Buffer.from(data, 'latin1')))),
    pause: () => tell(PAUSED(name)),
    resume: () => tell(`vmlapse: ${name} goes on`),
    end: ({ reason }) => {
      over = true;
      tell(`vmlapse: ${name} has ended: ${reason}`);
    },
  };
  await client.subscribe(Object.keys(show) as EventName[], (event) =>
    show[event.event as keyof Shown]?.(event as never),
  );
  if ((await client.call('status', {}, PATIENCE_MS)).state === 'paused') tell(PAUSED(name));
  const sender = inputSender(client);
  const commands = { d: { help: 'detach; the machine runs on', run: leave } };
  const send = (bytes: Uint8Array) => {
    const taken = sender.send(bytes);
    if (process.stdin.isTTY) echo.typed(bytes.subarray(0, taken));
    return taken;
  };
  if (isInteractive()) tell('vmlapse: Ctrl-A d detaches, Ctrl-A h helps');
  const detach = attachConsole({ send, leave, tell, commands });
  try {
    await client.closed;
  } finally {
    sender.stop();
    detach();
  }
  if (!over) throw connectionLost(name);
}

/** What is done with each kind of event. */
type Shown = { readonly [Name in 'output' | 'pause' | 'resume' | 'end']: (event: EventData[Name]) => void };
