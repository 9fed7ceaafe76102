/** `vmlapse events NAME`: what happens to a running machine, as JSON. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { connectTo } from '../../control/machines.ts';
import { EVENTS, type EventName, type MachineEvent } from '../../control/protocol.ts';
import { toJson } from '../json.ts';
import { writeTo } from '../output.ts';
import { connectionLost, nameArgument, PATIENCE_MS } from '../with-machine.ts';

interface EventsOptions {
  readonly follow?: boolean;
  readonly only?: readonly EventName[];
}

const EXAMPLES = `
Examples:
  vmlapse events kitchen --follow
  vmlapse events kitchen --follow --only checkpoint,end | jq -r .digest

One JSON object a line: event, time, and what the event is about. Output of the guest has one character for each byte.
Without --follow: the state as it is now. With it, the command ends when the machine does. A reader that is too slow for
too long is disconnected.`;

/** Adds the command. */
export function addEvents(program: Command): void {
  program
    .command('events')
    .description('print what happens to a running machine, one JSON object a line')
    .addArgument(nameArgument())
    .option('-f, --follow', 'go on printing until the machine ends')
    .addOption(
      new Option('--only <events>', 'only these, with commas between; may be repeated')
        .choices(EVENTS)
        .argParser(parseEvents),
    )
    .addHelpText('after', EXAMPLES)
    .action(events);
}

/** Names with commas between; repetitions are collected. */
function parseEvents(text: string, before: readonly EventName[] = []): readonly EventName[] {
  const names = text.split(',');
  const wrong = names.find((name) => !EVENTS.some((event) => event === name));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is no event: there are ${EVENTS.join(', ')}`);
  return [...before, ...(names as EventName[])];
}

async function events(name: string, { follow, only = EVENTS }: EventsOptions): Promise<void> {
  const client = await connectTo(name);
  const print = (value: object) => void client.holdUntil(writeTo(process.stdout, `${toJson(value, 0)}\n`));
  let ended = false;
  const show = (event: MachineEvent) => {
    if (only.includes(event.event)) print(event);
    ended ||= event.event === 'end';
  };
  try {
    if (follow) await client.subscribe([...only, 'end'], show);
    print({ event: 'status', time: new Date().toISOString(), ...(await client.call('status', {}, PATIENCE_MS)) });
    if (!follow) return;
    await client.closed;
    if (!ended) throw connectionLost(name);
  } finally {
    client.close();
  }
}
