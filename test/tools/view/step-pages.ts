/** Pages of a recording that has a checkpoint at each exit, with steps. */
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { Reader } from '../../../tools/view/reader.ts';
import { Replays } from '../../../tools/view/replays.ts';
import { StepFinder } from '../../../tools/view/steps.ts';
import { type TimelinePage, timelineOf } from '../../../tools/view/timeline.ts';
import { machineOfCode, type Recorded, record } from '../../debug/support.ts';
import { NO_SYMBOLS } from './made-up-store.ts';

/** A variable is written, and flags change, right behind an exit. */
const CODE = `
  b0 41                 ; mov al, 0x41
  e6 80                 ; out 0x80, al
  80 2e 00 05 01        ; sub byte [0x500], 1
  e6 80                 ; out 0x80, al
  b0 07                 ; mov al, 7
  e6 f4                 ; out 0xf4, al`;

/** Its moments: the beginning, and three exits. */
export const recordSteps = (): Recorded => record(machineOfCode(CODE), { everyMs: 0 });

/** The page with the steps that are found within some milliseconds. */
export function withSteps(store: Store, limitMs: number): TimelinePage {
  using replays = new Replays(store);
  const stepper = new StepFinder(replays, limitMs);
  const symbolsOf = () => NO_SYMBOLS;
  return timelineOf(store, { name: 'lab', symbolsOf, limit: 200 }, new Reader(store, symbolsOf, { stepper }));
}

/** Whether this host steps the guest. */
export const canStep = () => {
  using kvm = Kvm.open();
  return debugAbilities(kvm).real.step;
};
