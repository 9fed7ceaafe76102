/** `vmlapse events NAME`: the events of a running machine, as JSON. */
import { InvalidArgumentError, Option } from 'commander';
import type { ControlClient } from '../../control/client.ts';
import { EVENTS, type EventName, type MachineEvent } from '../../control/protocol.ts';
import type { CommandRow } from '../command.ts';
import { toJson, writeTo } from '../output.ts';
import { endWithReader } from '../reader.ts';
import { connectionLost, NAME_ARGUMENT, PATIENCE_MS, withMachine } from './machine.ts';

interface EventsOptions {
  readonly follow?: boolean;
  readonly only?: readonly EventName[];
}

export const EVENTS_COMMAND: CommandRow = {
  name: 'events',
  about: 'print the events of a running machine, one JSON object a line',
  arguments: NAME_ARGUMENT,
  options: [
    ['-f, --follow', 'go on printing until the machine ends'],
    new Option('--only <events>', 'only these, with commas between; may be repeated')
      .choices(EVENTS)
      .argParser(parseEvents),
  ],
  help: `Examples:
  vmlapse events kitchen --follow
  vmlapse events kitchen --follow --only checkpoint,end | jq -r .digest

One JSON object a line: event, time, and what the event is about. Output of the guest has one character for each byte.
Without --follow: the state as it is now. With it, the command ends when the machine does. A reader that is too slow for
too long is disconnected.`,
  run: (name: string, options: EventsOptions) => withMachine(name, (client) => events(client, options)),
};

/** Names with commas between; repetitions are collected. */
function parseEvents(text: string, before: readonly EventName[] = []): readonly EventName[] {
  const names = text.split(',');
  const wrong = names.find((name) => !EVENTS.some((event) => event === name));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is no event: there are ${EVENTS.join(', ')}`);
  return [...before, ...(names as EventName[])];
}

async function events(client: ControlClient, { follow, only = EVENTS }: EventsOptions): Promise<void> {
  const print = (value: object) => void client.holdUntil(writeTo(process.stdout, `${toJson(value, 0)}\n`));
  const show = (event: MachineEvent) => {
    if (only.includes(event.event)) print(event);
  };
  if (follow) await client.subscribe([...only, 'end'], show);
  const status = await client.unlessEnded(client.call('status', {}, PATIENCE_MS));
  if (status) print({ event: 'status', time: new Date().toISOString(), ...status });
  if (!follow) return;
  endWithReader();
  await client.closed;
  if (!client.end) throw connectionLost(client.name);
}
