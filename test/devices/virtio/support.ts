/** A block device over a disk, on a bus of its own, in guest memory without a VM. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bus } from '../../../src/devices/bus.ts';
import type { DeviceHost, DeviceSpec } from '../../../src/devices/device.ts';
import { attachDevices, createDeviceState } from '../../../src/devices/devices.ts';
import { virtioBlock } from '../../../src/devices/virtio/block.ts';
import { DiskImage } from '../../../src/disk/image.ts';
import { OverlayDisk, overlayMemory } from '../../../src/disk/overlay.ts';
import { Cleanup } from '../../../src/ffi/cleanup.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';
import { fakeHost } from '../fake-host.ts';
import { Driver } from './driver.ts';

/** Byte `at` of a test image. */
export const imageByte = (at: number): number => (at * 7 + (at >> 9) + 1) & 0xff;

/** Writes an image of `bytes` bytes whose content says where it is. */
export function writeImage(path: string, bytes: number): void {
  writeFileSync(
    path,
    Uint8Array.from({ length: bytes }, (_, at) => imageByte(at)),
  );
}

/** A disk over a fresh image, without a machine. */
export function testDisk(bytes: number, { readOnly = false } = {}) {
  using made = new Cleanup();
  const folder = made.use(temporaryDirectory());
  const path = join(folder.path, 'disk.img');
  writeImage(path, bytes);
  const image = made.use(DiskImage.open(path));
  const memory = made.use(overlayMemory(0, bytes));
  const disk = made.use(new OverlayDisk(0, image, readOnly, memory));
  const [...owned] = [folder, image, memory, disk];
  made.keep();
  return {
    path,
    image,
    memory,
    disk,
    removeImage: () => rmSync(path),
    [Symbol.dispose]() {
      for (const each of owned.reverse()) each[Symbol.dispose]();
    },
  };
}

/** The device, and a driver for it. */
export function testDevice(bytes: number, options: { readOnly?: boolean; size?: number; spec?: DeviceSpec } = {}) {
  const base = testDisk(bytes, options);
  const ram = GuestMemory.create(2 ** 21);
  const notes: string[] = [];
  const fake = fakeHost();
  const host: DeviceHost = Object.assign(fake, {
    queues: { ram, disks: [base.disk] },
    output: (_: string, bytes: Uint8Array) => void notes.push(Buffer.from(bytes).toString().trimEnd()),
  });
  const specs = [options.spec ?? virtioBlock(0)];
  const state = createDeviceState(specs);
  const bus = new Bus();
  const [device] = attachDevices(specs, state, host, bus);
  const driver = new Driver(bus, ram, 0, options.size);
  return {
    ...base,
    ram,
    notes,
    host: fake,
    bus,
    state,
    device: device!,
    driver,
    [Symbol.dispose]() {
      ram[Symbol.dispose]();
      base[Symbol.dispose]();
    },
  };
}
