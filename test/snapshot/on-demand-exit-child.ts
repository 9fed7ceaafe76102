/** Ends, without disposing of anything, while a machine runs whose memory still comes: STORE DIGEST. */
import { restoreMachine } from '../../snapshot/restore.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';

const [store, digest] = process.argv.slice(2);
const { machine, load } = restoreMachine(openStore(store!, { readOnly: true }).open(digest!), { onDemand: true });
const running = await RunningMachine.start(machine);
load(running);
running.run().catch(() => {});
process.exit(7);
