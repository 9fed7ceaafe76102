/** What a client is told of a machine that has run, by a made-up debugger. */
import { expect, it } from 'vitest';
import type { AttachedDebugger, Stop } from '../../../debug/stops/attached.ts';
import { Client } from '../../../tools/gdb/client.ts';
import { RUNNING_PACKETS } from '../../../tools/gdb/commands/running.ts';

const OVER: Stop = { vcpu: 0, kind: 'over', end: { reason: 'interrupted' } };

it('that a run has ended from outside, also between two steps of a range', async () => {
  let ended: Stop | undefined;
  const stepping = {
    cpus: 1,
    get ended() {
      return ended;
    },
    resume: async (): Promise<Stop> => ended ?? { vcpu: 0, kind: 'step' },
    interrupt() {},
    async vcpu() {
      ended = OVER; // as the door is closed: the end is told, and the client is interrupted
      client.interrupt();
      return { pc: 0x1000n };
    },
  };
  const target = {
    debugger: stepping as unknown as AttachedDebugger,
    monitor: {},
    isOwned: true,
    kill() {},
    note() {},
  };
  const client: Client = new Client(target as unknown as Client['target'], () => {});
  const [, take] = RUNNING_PACKETS.find(([name]) => name === 'vCont')!;
  expect(await take(client, ';r0,2000:1')).toBe('X0f');
});
