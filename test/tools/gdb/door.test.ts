/** The door over real sockets: who is let in, and that nothing is left of a client that goes, however it goes. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { type ListenAddress, parseListenAddress } from '../../../tools/gdb/address.ts';
import { DebugDoor, debuggeeOf } from '../../../tools/gdb/door.ts';
import { packet } from '../../../tools/gdb/packets.ts';
import { CODE, eventually, type Started, startCode } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LOOP, LOOP_AT } from './raw-client.ts';

const OWN_CODE = LOOP.code.replaceAll(' ', '');
const codeOf = ({ machine }: Started) => Buffer.from(machine.memory.read(CODE, OWN_CODE.length / 2)).toString('hex');

/** A machine that runs, and its door. */
class House implements AsyncDisposable {
  readonly started: Started;
  readonly door: DebugDoor;
  readonly notes: string[];
  wasKilled = false;

  private constructor(started: Started, door: DebugDoor, notes: string[]) {
    this.started = started;
    this.door = door;
    this.notes = notes;
  }

  static async open(address: ListenAddress = parseListenAddress('0'), held = false): Promise<House> {
    const started = await startCode(LOOP);
    const notes: string[] = [];
    if (held) started.running.hold();
    void started.running.run().catch(() => {});
    const door = await DebugDoor.open(debuggeeOf(started.running), address, {
      isOwned: false,
      kill: () => started.running.stop(),
      note: (line) => void notes.push(line),
      monitor: { checkpoint: async () => '', log: () => '' },
    });
    return new House(started, door, notes);
  }

  /** Connects; resolves when connected. */
  async visit(): Promise<Socket> {
    const { address } = this.door;
    const socket = connect('path' in address ? { path: address.path } : { host: address.host, port: address.port });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  }

  /** Nobody is in, and the guest makes progress. */
  async isLeft(): Promise<void> {
    await eventually('the client is gone', () => !this.door.isInUse);
    expect(codeOf(this.started)).toBe(OWN_CODE);
    expect(this.started.running.running).toBe(true);
    const [thread] = this.started.running.threads;
    const exits = async () => (await thread!.call('counts', undefined)).ports['out 0xe8'] ?? 0;
    const before = await exits();
    await eventually('the guest makes progress', async () => (await exits()) !== before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.door.close();
    await this.started[Symbol.asyncDispose]();
  }
}

/** Sends packets one after the other, each when the one before is answered; a resumption is answered by Ctrl-C. */
async function talk(socket: Socket, packets: readonly string[]): Promise<string> {
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  let closed = false;
  socket.once('close', () => {
    closed = true;
  });
  for (const payload of packets) {
    heard = '';
    socket.write(packet(payload), 'latin1');
    if (payload.startsWith('vCont;c')) socket.write('\x03');
    await eventually(`an answer to ${payload}`, () => closed || /\$[^#]*#../.test(heard));
  }
  return heard;
}

const CONVERSATION = [
  'qSupported:multiprocess+;swbreak+;hwbreak+',
  'QStartNoAckMode',
  'Hgp1.1',
  '?',
  'g',
  `Z0,${(LOOP_AT + 2).toString(16)},1`,
  'vCont;s:p1.1',
  'vCont;c',
  `m${CODE.toString(16)},10`,
  'vCont;c',
];

describeKvm('a debug door', () => {
  it.each(CONVERSATION.map((_, i) => [i + 1]))(
    'a client that is gone after %i packets leaves nothing behind',
    async (n) => {
      await using house = await House.open();
      const socket = await house.visit();
      await talk(socket, CONVERSATION.slice(0, n));
      socket.resetAndDestroy();
      await house.isLeft();
    },
  );

  it('so does one that is gone while the machine runs, with a packet half sent', async () => {
    await using house = await House.open();
    const socket = await house.visit();
    await talk(socket, CONVERSATION.slice(0, 5));
    socket.write(packet('Z0,9500,1') + packet('vCont;c'));
    await eventually('the machine runs', () => house.started.running.running);
    socket.write('$m90');
    socket.destroy();
    await house.isLeft();
  });

  it('and one that detaches', async () => {
    await using house = await House.open();
    await talk(await house.visit(), [...CONVERSATION, 'D;1']);
    await house.isLeft();
  });

  it('a machine that waits from the start waits on when a client that never continued it goes', async () => {
    await using house = await House.open(parseListenAddress('0'), true);
    const socket = await house.visit();
    await talk(socket, ['?', 'g']);
    socket.destroy();
    await eventually('the client is gone', () => !house.door.isInUse);
    expect(house.started.running.held).toBe(true);
    const second = await house.visit();
    await talk(second, ['?', 'vCont;c']);
    second.destroy();
    await house.isLeft();
  });

  it('lets one in at a time', async () => {
    await using house = await House.open();
    const first = await house.visit();
    await talk(first, ['?']);
    const second = await house.visit();
    await new Promise((resolve) => second.once('close', resolve));
    expect(house.notes.join()).toContain('another was turned away');
    expect(await talk(first, ['qC'])).toContain('QC1');
  });

  it.each([
    ['a browser', 'POST / HTTP/1.1\r\n\r\n$k#6b', /what connected is no debugger/],
    ['a flood', `$${'a'.repeat(100_000)}`, /dropped: it sent a packet of more than/],
    ['many packets at once', packet('vCont;c') + packet('g').repeat(1000), /too many packets/],
  ])('drops %s, and the machine runs on', async (_what, text, note) => {
    await using house = await House.open();
    const socket = await house.visit();
    socket.resume(); // it is closed for us when all that was sent is read
    socket.write(text);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(house.notes.join()).toMatch(note);
    await house.isLeft();
  });

  it('by a Unix socket is for its owner alone, and is removed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-door-'));
    try {
      const path = join(folder, 'door');
      {
        await using house = await House.open({ path });
        expect(statSync(path).mode & 0o777).toBe(0o600);
        expect(await talk(await house.visit(), ['qC'])).toContain('QC1');
        const again = DebugDoor.open(debuggeeOf(house.started.running), { path }, {} as never);
        await expect(again).rejects.toThrow(/is there already/);
      }
      expect(() => statSync(path)).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('a port that is taken is said', async () => {
    await using house = await House.open();
    const again = DebugDoor.open(debuggeeOf(house.started.running), house.door.address, {} as never);
    await expect(again).rejects.toThrow(UsageError);
    await expect(again).rejects.toThrow(/in use: give another port/);
  });
});
