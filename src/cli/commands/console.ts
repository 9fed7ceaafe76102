/** `vmlapse console NAME`: the serial console of a running machine, on this terminal. */
import type { Command } from 'commander';
import type { ControlClient } from '../../control/client.ts';
import { connectTo } from '../../control/machines.ts';
import type { MachineEvent } from '../../control/protocol.ts';
import { attachConsole } from '../console.ts';
import { tell, writeTo } from '../output.ts';
import { inputSender } from '../remote-input.ts';
import { nameArgument } from '../with-machine.ts';

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

async function attach(client: ControlClient): Promise<void> {
  await client.subscribe(['output', 'pause', 'resume', 'end'], (event) => void HANDLERS[event.event]?.(client, event));
  if ((await client.call('status', {})).state === 'paused') tell(PAUSED(client.name));
  const sender = inputSender(client);
  const leave = () => client.close();
  const detach = attachConsole({
    send: sender.send,
    leave,
    tell,
    commands: { d: { help: 'detach; the machine runs on', run: leave } },
  });
  try {
    await client.closed;
  } finally {
    sender.stop();
    detach();
  }
  if (process.stdin.isTTY) tell(`\r\nvmlapse: detached from ${client.name}`);
}

const PAUSED = (name: string) => `vmlapse: ${name} is paused; it goes on with: vmlapse resume ${name}`;

type Handler = (client: ControlClient, event: MachineEvent) => unknown;

const HANDLERS: Readonly<Partial<Record<MachineEvent['event'], Handler>>> = {
  output: async (client, event) => {
    const full = writeTo(process.stdout, Buffer.from((event as { readonly data: string }).data, 'latin1'));
    if (!full) return;
    client.hold(true);
    await full;
    client.hold(false);
  },
  pause: ({ name }) => tell(PAUSED(name)),
  resume: ({ name }) => tell(`vmlapse: ${name} goes on`),
  end: ({ name }, event) => tell(`vmlapse: ${name} has ended: ${(event as { readonly reason: string }).reason}`),
};
