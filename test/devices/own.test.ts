/** Devices of one's own: on the bus, in checkpoints, and in machines whose vCPUs have threads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  bootImage,
  CheckpointSession,
  devicesFrom,
  LocalMachine,
  load,
  Machine,
  type MachineOptions,
  onPort,
  openStore,
  RunningMachine,
  restoreMachine,
  types,
} from '../../index.ts';
import { Bus } from '../../src/devices/bus.ts';
import { attachDevices, createDeviceState } from '../../src/devices/devices.ts';
import { describeKvm } from '../support/kvm.ts';
import own, { counter } from './dice.ts';
import { fakeHost } from './fake-host.ts';

const MODULE = new URL('./dice.js', import.meta.url);

function busWith(...specs: typeof own) {
  const state = createDeviceState(specs);
  const bus = new Bus();
  attachDevices(specs, state, fakeHost(), bus);
  return { bus, state };
}

describe("a device of one's own", () => {
  it('answers at its ports with the state of its record', () => {
    const { bus } = busWith(counter);
    expect([bus.portIn(0x9a40, 1), bus.portIn(0x9a40, 1)]).toEqual([0, 1]);
    bus.portOut(0x9a40, 1, 40);
    expect(bus.portIn(0x9a40, 1)).toBe(42);
    expect(bus.portIn(0x9a41, 1)).toBe(0xff);
  });

  it('answers at its addresses, and ignores writes where it has no handler', () => {
    const { bus } = busWith(...own);
    const bytes = new Uint8Array(4);
    bus.mmioRead(0xe000_0004, bytes);
    expect([...bytes]).toEqual([4, 0, 0, 0]);
    expect(bus.mmioWrite(0xe000_0000, bytes)).toBeUndefined();
  });

  it('may end the run, and its answers are cut to the width of the access', () => {
    const end = onPort({ base: 0x10, length: 4 }, { name: 'end', read: () => -1, write: () => ({ kind: 'poweroff' }) });
    const { bus } = busWith(end);
    expect(bus.portOut(0x10, 1, 0)).toEqual({ kind: 'poweroff' });
    expect([bus.portIn(0x10, 1), bus.portIn(0x10, 2), bus.portIn(0x10, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });

  it('is refused where a built-in device has its ports or its name', () => {
    const serial = onPort({ base: 0x3f8, length: 1 }, { name: 'mine' });
    const { bus } = busWith(serial);
    expect(() =>
      bus.attach({ name: 'other', ports: [{ base: 0x3f8, length: 1 }], read: () => 0, write: () => undefined }),
    ).toThrow(/belongs to mine/);
    const twice = onPort({ base: 0x9a40, length: 1 }, { name: 'counter', state: { x: types.u8 } });
    expect(() => createDeviceState([counter, twice])).toThrow(/two devices are called counter/);
  });

  it('is imported from a module whose default export is an array', async () => {
    expect(await devicesFrom(MODULE)).toEqual({ module: MODULE.href, specs: own });
    await expect(devicesFrom(new URL('./probe.js', import.meta.url))).rejects.toThrow(/export default/);
  });
});

/** Real mode: five times, what is read at 0x9a40 goes to the debug console; then the last one is the exit status. */
const GUEST = Buffer.from('b90500ba409aece6e9e2f8e6f4f4', 'hex'); // mov cx,5; mov dx,0x9a40; 1: in al,dx; out 0xe9,al; loop 1b

function machineWith(devices: NonNullable<MachineOptions['devices']>): Machine {
  const machine = Machine.create({ memory: 2 ** 20, irqchip: false, devices });
  bootImage(machine, load(GUEST, { format: 'flat', mode: 'real', memoryMap: machine.memory.memoryMap }));
  return machine;
}

describeKvm("a machine with a device of one's own", () => {
  it('runs in this thread; a checkpoint in the middle has its record, restored and rolled back', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vmlapse-own-'));
    try {
      using machine = machineWith(own);
      const heard: number[] = [];
      let stop = 3;
      const served = () => (heard.length === stop ? ({ reason: 'stop-point' } as const) : undefined);
      using local = new LocalMachine(machine, { output: (_, bytes) => void heard.push(...bytes), served });
      local.run();
      using store = openStore(directory, { create: true });
      using session = new CheckpointSession(local, store);
      const { digest } = session.checkpoint();
      stop = 0;
      expect(local.run()).toMatchObject({ reason: 'exit-port', value: 4 });
      using checkpoint = store.open(digest);
      session.rollback(checkpoint);
      expect(local.run()).toMatchObject({ reason: 'exit-port', value: 4 });
      expect(heard).toEqual([0, 1, 2, 3, 4, 3, 4]);

      expect(() => restoreMachine(checkpoint)).toThrow(/device counter is unknown here/);
      const { machine: again, load: loadInto } = restoreMachine(checkpoint, { devices: own });
      using restored = again;
      const more: number[] = [];
      using second = new LocalMachine(restored, { output: (_, bytes) => void more.push(...bytes) });
      loadInto(second);
      expect(second.run()).toMatchObject({ reason: 'exit-port', value: 4 });
      expect(more).toEqual([3, 4]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('runs in threads that import the module', async () => {
    using machine = machineWith(await devicesFrom(MODULE));
    const heard: number[] = [];
    const running = await RunningMachine.start(machine, { debugcon: (bytes) => void heard.push(...bytes) });
    try {
      expect(await running.run()).toMatchObject({ reason: 'exit-port', value: 4 });
    } finally {
      await running.close();
    }
    expect(heard).toEqual([0, 1, 2, 3, 4]);
  });

  it('is refused in threads without a module', async () => {
    using machine = machineWith(own);
    await expect(RunningMachine.start(machine)).rejects.toThrow(/devicesFrom/);
  });
});
