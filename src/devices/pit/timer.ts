/**
 * The 8254 of a PC in user space, with the gate and output of its channel 2 at port 61h. What it gives depends on its record and
 * on the clock of its host alone, which it asks at accesses; its interrupt comes when the owner tells it the time.
 */
import type { Live } from '../../abi/struct.ts';
import { s64, u8 } from '../../abi/types.ts';
import type { Device, DeviceHost, DeviceSpec } from '../device.ts';
import { declareDevice, type Placed } from '../record.ts';
import { ChannelState, PitChannel } from './channel.ts';

const BASE = 0x40;
const CONTROL = 3;
const SPEAKER = 0x61;
/** Line of channel 0's output. */
export const TIMER_LINE = 0;

/** Clocks in a millisecond: 14.31818 MHz / 12. */
const CLOCKS_PER_MS = 1193.182;
const clocksOf = (ms: number) => Math.floor(ms * CLOCKS_PER_MS);
/** When so many clocks have surely passed. */
const msOf = (clocks: number) => (clocks + 1) / CLOCKS_PER_MS;

/** Of a read-back: what is not to be latched. */
const NO_COUNT = 0x20;
const NO_STATUS = 0x10;

const SPEAKER_BITS = { GATE: 0x01, DATA: 0x02, REFRESH: 0x10, OUTPUT: 0x20 } as const;
/** Memory refresh toggles each 15 us or so: each 18 clocks. */
const REFRESH_CLOCKS = 18;

/** `seen`: the clock when the timer last heard of the time. */
const FIELDS = { channel0: ChannelState, channel1: ChannelState, channel2: ChannelState, speaker: u8, seen: s64 };

/** Clocks after which the machine has rested meanwhile, on this host or in a store: a second. The longest count is 55 ms. */
const RESTED_CLOCKS = 1_193_182;

/** The timer, with its owner's side. */
export interface Pit extends Device {
  /** Tells the time, in milliseconds since 1970: channel 0's interrupt comes if it is due. One that was missed does not come later. */
  tell(ms: number): void;
  /** Whether it is time for {@link tell}; also where the clock was set back, or is that of another host, which it has to hear of. */
  isDue(ms: number): boolean;
  /** When {@link tell} is due next, in milliseconds since 1970; Infinity: never, as it stands. */
  due(): number;
  /** Lets channel 0 begin to tick as a PC's firmware does. */
  begin(ms: number): void;
}

/** What the spec of the timer attaches. */
export interface PitSpec extends DeviceSpec {
  attach(state: Uint8Array, host: DeviceHost): Pit;
}

/** The timer at its place in a PC. */
export const pit = (): PitSpec =>
  declareDevice('pit', FIELDS, {
    reset: ({ channel0, channel1 }) => {
      channel0.gate = 1;
      channel1.gate = 1;
    },
    attach: attachPit,
  });

function attachPit(fields: Live<Placed<typeof FIELDS>>, host: DeviceHost): Omit<Pit, 'name'> {
  const gated = fields.channel2;
  const channels = [fields.channel0, fields.channel1, gated].map((record) => new PitChannel(record));
  const [ticking, , speaker] = channels as [PitChannel, PitChannel, PitChannel];

  /** The time, as it goes on here: where the clock went back, or has jumped, the timer goes on from where it stood. */
  function hear(now: number): void {
    const passed = now - Number(fields.seen);
    fields.seen = BigInt(now);
    if (passed < 0 || passed > RESTED_CLOCKS) for (const channel of channels) channel.shift(passed);
  }

  function tick(now: number): void {
    hear(now);
    if (!ticking.hasRisen(now)) return;
    host.setIrq(TIMER_LINE, 1);
    host.setIrq(TIMER_LINE, 0);
  }

  function control(word: number, now: number): void {
    const channel = channels[word >> 6];
    if (!channel) readBack(word, now);
    else if ((word & 0x30) === 0) channel.latchCount(now);
    else channel.control(word);
  }

  function readBack(word: number, now: number): void {
    channels.forEach((channel, i) => {
      if (!(word & (2 << i))) return;
      if (!(word & NO_COUNT)) channel.latchCount(now);
      if (!(word & NO_STATUS)) channel.latchStatus(now);
    });
  }

  function readSpeaker(now: number): number {
    const output = speaker.output(now) ? SPEAKER_BITS.OUTPUT : 0;
    const refresh = Math.floor(now / REFRESH_CLOCKS) % 2 ? SPEAKER_BITS.REFRESH : 0;
    return (fields.speaker & SPEAKER_BITS.DATA) | gated.gate | refresh | output;
  }

  function writeSpeaker(value: number, now: number): void {
    fields.speaker = value & SPEAKER_BITS.DATA;
    speaker.setGate(value & SPEAKER_BITS.GATE ? 1 : 0, now);
  }

  return {
    ports: [
      { base: BASE, length: 4 },
      { base: SPEAKER, length: 1 },
    ],
    read(port) {
      if (port === BASE + CONTROL) return 0xff;
      const now = clocksOf(host.now());
      tick(now);
      return port === SPEAKER ? readSpeaker(now) : channels[port - BASE]!.read(now);
    },
    write(port, _width, value) {
      const now = clocksOf(host.now());
      tick(now);
      if (port === SPEAKER) writeSpeaker(value, now);
      else if (port === BASE + CONTROL) control(value, now);
      else channels[port - BASE]!.write(value, now);
      return undefined;
    },
    tell: (ms) => tick(clocksOf(ms)),
    isDue: (ms) => ms >= msOf(ticking.due) || clocksOf(ms) < Number(fields.seen),
    due: () => msOf(ticking.due),
    begin(ms) {
      hear(clocksOf(ms));
      ticking.control(0x34);
      ticking.load(0, clocksOf(ms));
    },
  };
}
