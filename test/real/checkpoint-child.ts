/** A process that brings a real guest back and holds the rest of its dialogue. Its argument is a {@link Rest} as JSON. */
import { restoreMachine } from '../../snapshot/restore.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { GUESTS } from './guests.ts';
import { Session } from './session.ts';

/** What is left of a dialogue. */
export interface Rest {
  readonly store: string;
  readonly guest: string;
  /** Steps that are done. */
  readonly done: number;
  readonly unheard: Readonly<Record<'serial' | 'debugcon', string>>;
  readonly seconds: number;
}

const { store: directory, guest: name, done, unheard, seconds } = JSON.parse(process.argv[2]!) as Rest;
const guest = GUESTS.find((row) => row.name === name)!;
const deadline = Date.now() + seconds * 1000;
using store = openStore(directory, { readOnly: true });
using checkpoint = store.open('latest');
const { machine, load } = restoreMachine(checkpoint);
await using session = await Session.over(machine, () => {}, load, unheard);
for (const step of guest.dialogue.slice(done)) await session.step(step, deadline);
const reason = guest.ends ? (await session.ended(deadline)).reason : undefined;
process.stdout.write(JSON.stringify({ reason }));
