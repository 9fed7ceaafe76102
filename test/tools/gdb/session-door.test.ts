/** The door of a session, which two may ask for at once. */
import { expect, it } from 'vitest';
import { DebugDoors } from '../../../tools/cli/session/debug-doors.ts';
import { parseListenAddress } from '../../../tools/gdb/address.ts';
import { startCode } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LOOP } from './raw-client.ts';

describeKvm('the debug door of a session', () => {
  it('is one, however many ask for it at once, and can be asked for again where an address did not do', async () => {
    await using started = await startCode(LOOP);
    const { running } = started;
    const doors = new DebugDoors({ running, stop: new AbortController(), schedule: undefined, log: () => {} });
    await expect(doors.open({ path: '/nowhere/there' })).rejects.toThrow('/nowhere/there');
    const [a, b] = await Promise.all([1, 2].map(() => doors.open(parseListenAddress('0'))));
    expect(b).toBe(a);
    await doors.close({ reason: 'interrupted' });
    await doors.close({ reason: 'interrupted' });
  });
});
