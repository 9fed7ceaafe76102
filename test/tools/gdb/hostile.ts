/** Packets of clients that are broken or mean harm, made from a seed, to a session over a machine that runs. */

import { BREAK_BYTES } from '../../../debug/stops/break-bytes.ts';
import { Debugger } from '../../../debug/stops/debugger.ts';
import type { VcpuRegisters } from '../../../src/runner/stops/vcpu-debug.ts';
import { ProtocolError, packet } from '../../../tools/gdb/packets.ts';
import { GdbSession } from '../../../tools/gdb/session.ts';
import { caseSeed } from '../../campaigns/campaign.ts';
import { CODE, type Started, startCode } from '../../runner/machines.ts';
import { LOOP } from './raw-client.ts';

/** Packets as clients send them; numbers in them are put in place of `@`. */
const SHAPES = [
  'qSupported:multiprocess+;swbreak+;hwbreak+;error-message+',
  'QStartNoAckMode',
  'QEnableErrorStrings',
  '?',
  'g',
  'p@',
  'P@=@@@@@@@@',
  'm@,@',
  'x@,@',
  'M@,2:@@',
  'X@,3:abc',
  'Z0,@,1',
  'Z1,@,1',
  'Z2,@,@',
  'Z4,@,8',
  'z0,@,1',
  'z1,@,1',
  'z2,@,@',
  'Hg@',
  'Hc-1',
  'T@',
  'qXfer:features:read:target.xml:@,@',
  'qXfer:threads:read::@,@',
  'qXfer:memory-map:read::@,@',
  'qRcmd,70687973203078@@',
  'qThreadExtraInfo,@',
  'qMemoryRegionInfo:@',
  'vCont;s',
  'vCont;c',
  'vCont;r@,@:1',
  'vCont;C@:@;s',
  'c@',
  's',
  'D',
];

const NUMBERS = [
  '0',
  '1',
  '2',
  '8',
  '10',
  '61',
  '90',
  'fff',
  '1000',
  '9000',
  '900e',
  '9010',
  'fffff',
  '100000',
  'ffffffff',
  'ffffffffffffffff',
  '-1',
  'p1.1',
];

/** A generator that is good enough, and the same everywhere (mulberry32). */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const MOST_PACKETS = 12;
/** One client of so many sets a breakpoint in the code, and lets the machine go on: by chance alone hardly any does both. */
const BREAKPOINT_EVERY = 4;
const OWN_CODE = Buffer.from(LOOP.code.replaceAll(' ', ''), 'hex');

/** Clients write no such byte themselves: no shape above has one. */
const IS_BREAK_BYTE = new Set(Object.values(BREAK_BYTES));

/** The guest-physical addresses where a debugger sets breakpoints from now on, and the guest's own bytes there. */
function watchBreakpoints(dbg: Debugger): ReadonlyMap<number, number> {
  const ownBytes = new Map<number, number>();
  const set = dbg.setBreakpoint.bind(dbg);
  dbg.setBreakpoint = async (address, vcpu = 0) => {
    await set(address, vcpu);
    const gpa = (await dbg.vcpu(vcpu)).memory.translate(address)!;
    ownBytes.set(gpa, dbg.running.machine.memory.read(gpa, 1)[0]!);
  };
  return ownBytes;
}

/** Runs cases one after the other on one machine, which is put back before each. Dispose it with `await using`. */
export class HostileClients implements AsyncDisposable {
  readonly #seed: number;
  #started: Started | undefined;
  #isRunning = false;
  #first: VcpuRegisters | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** A debugger of the machine, whose guest is at its first instruction. */
  async #attach(): Promise<Debugger> {
    this.#started ??= await startCode(LOOP);
    const { running, machine } = this.#started;
    const dbg = Debugger.attach(running);
    if (!this.#isRunning) {
      this.#isRunning = true;
      const ended = () => {
        this.#isRunning = false;
      };
      running.run().then(ended, ended);
    }
    this.#first ??= (await dbg.vcpu(0)).registers;
    await dbg.setRegisters(0, this.#first);
    machine.memory.write(CODE, OWN_CODE);
    return dbg;
  }

  /** Runs one case. Throws for a session that does not answer, leaves something behind, or has a defect. */
  async run(number: number): Promise<void> {
    const dbg = await this.#attach();
    const { machine } = dbg.running;
    const roll = dice(caseSeed(this.#seed, number));
    const notes: string[] = [];
    const ownBytes = watchBreakpoints(dbg);
    let sent = 0;
    const session = new GdbSession(
      {
        debugger: dbg,
        isOwned: false,
        kill: () => {},
        note: (line) => void notes.push(line),
        monitor: { checkpoint: async () => '', log: () => '' },
      },
      {
        send: (text) => {
          sent += text.length;
        },
        close: () => {},
      },
    );
    try {
      this.#speak(session, roll);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    let isIdle = false;
    void session.idle.then(() => {
      isIdle = true;
    });
    while (!isIdle) {
      dbg.interrupt();
      await new Promise((resolve) => setImmediate(resolve));
    }
    session.close();
    await dbg.detach({ resume: false });
    const defect = notes.find((note) => note.includes('defect'));
    if (defect) throw new Error(defect);
    if (sent > MOST_SENT) throw new Error(`${sent} bytes were answered`);
    for (const [gpa, own] of ownBytes) {
      const [byte] = machine.memory.read(gpa, 1);
      if (byte !== own && IS_BREAK_BYTE.has(byte!))
        throw new Error(`a breakpoint byte is left in memory at 0x${gpa.toString(16)}`);
    }
  }

  #speak(session: GdbSession, roll: (below: number) => number): void {
    const hasBreakpoint = roll(BREAKPOINT_EVERY) === 0;
    if (hasBreakpoint) session.receive(Buffer.from(packet(`Z0,${(CODE + roll(OWN_CODE.length)).toString(16)},1`)));
    const count = 1 + roll(MOST_PACKETS);
    for (let i = 0; i < count; i++) session.receive(Buffer.from(damaged(shaped(roll), roll), 'latin1'));
    if (hasBreakpoint) session.receive(Buffer.from(packet('vCont;c')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    await started?.[Symbol.asyncDispose]();
  }
}

const MOST_SENT = 2 ** 20;

const shaped = (roll: (below: number) => number) =>
  SHAPES[roll(SHAPES.length)]!.replaceAll('@', () =>
    roll(4) === 0 ? roll(2 ** 31).toString(16) : NUMBERS[roll(NUMBERS.length)]!,
  );

/** Mostly a whole packet; sometimes its payload, its frame or both are not what they should be. */
function damaged(payload: string, roll: (below: number) => number): string {
  const at = roll(payload.length + 1);
  const byte = String.fromCharCode(roll(256));
  const ways = [
    () => packet(payload),
    () => packet(payload),
    () => packet(payload),
    () => packet(payload),
    () => packet(payload.slice(0, at)),
    () =>
      packet(
        payload.slice(0, at).replaceAll(/[$#]/g, '') + (byte === '#' || byte === '$' ? '' : byte) + payload.slice(at),
      ),
    () => packet(payload + payload),
    () => `$${payload}#00`,
    () => packet(payload).slice(0, at),
    () => `\x03${packet(payload)}`,
    () => `-${packet(payload)}`,
    () => packet(`${payload.slice(0, at)}${'f'.repeat(roll(3) === 0 ? 20_000 : 40)}`),
    () => byte.repeat(1 + roll(5)),
  ];
  return ways[roll(ways.length)]!();
}
