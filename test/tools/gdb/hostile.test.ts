import { it } from 'vitest';
import { describeKvm } from '../../support/kvm.ts';
import { HostileClients } from './hostile.ts';

/** Always the same cases: new ones are the campaign's (npm run gdb-packets). */
const SEED = 1;
const CASES = 300;

describeKvm('clients that are broken or mean harm', () => {
  it(`${CASES} of them: no crash, no hang, nothing left in the machine`, async () => {
    await using clients = new HostileClients(SEED);
    for (let number = 0; number < CASES; number++) await clients.run(number);
  });
});
