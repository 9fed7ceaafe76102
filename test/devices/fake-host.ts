/** A host for device tests: it records what devices ask of it, and its clock stands still until it is moved. */
import { Bus, type BusOptions } from '../../src/devices/bus.ts';
import type { Device, DeviceHost, DeviceSpec } from '../../src/devices/device.ts';
import { attachDevices, createDeviceState } from '../../src/devices/devices.ts';

/** What happened to the host, in order: "irq 4 = 1", "serial hello". */
export interface FakeHost extends DeviceHost {
  readonly events: string[];
  ramBytes: number;
  cpus: number;
  time: number;
  lowRamBytes?: number;
  /** Level of each line that was ever set. */
  readonly levels: Map<number, number>;
  /** Bytes sent on a channel so far. */
  sent(channel: 'serial' | 'debugcon'): string;
  /** Number of output calls. */
  calls: number;
}

export function fakeHost(): FakeHost {
  const events: string[] = [];
  const levels = new Map<number, number>();
  const sent = { teletype: '', notes: '', serial: '', debugcon: '' };
  return {
    events,
    levels,
    ramBytes: 64 * 2 ** 20,
    cpus: 1,
    time: Date.UTC(2024, 1, 29, 13, 5, 9),
    calls: 0,
    setIrq(gsi, level) {
      events.push(`irq ${gsi} = ${level}`);
      levels.set(gsi, level);
    },
    output(channel, bytes) {
      const text = Buffer.from(bytes).toString('latin1');
      events.push(`${channel} ${text}`);
      sent[channel] += text;
      this.calls++;
    },
    now() {
      return this.time;
    },
    sent: (channel) => sent[channel],
  };
}

/** One spec or several on a bus of their own, in power-on state. */
export function plugged(specs: readonly DeviceSpec[], host = fakeHost(), options: BusOptions = {}) {
  const buffer = createDeviceState(specs);
  const bus = new Bus(options);
  const devices = attachDevices(specs, buffer, host, bus);
  return { bus, host, buffer, devices, device: devices[0] as Device };
}

/** Text as the bytes a guest would send. */
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
