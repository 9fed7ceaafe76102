/** The thread that works on queues is woken by a driver's notification, once it can have the lock of the devices. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { deviceLock } from '../../src/devices/devices.ts';
import { REG } from '../../src/devices/virtio/registers.ts';
import { VIRTIO_SLOTS } from '../../src/devices/virtio/slots.ts';
import { Machine } from '../../src/machine/machine.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';

describeKvm('the thread that works on queues', () => {
  it('is woken when the lock is free', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'disk.img');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 20);
    using machine = Machine.create({ memory: 2 ** 20, disks: [{ path }] });
    const lock = deviceLock(machine.deviceState);
    let wakes = 0;
    const wake = () => lock.withLock(() => wakes++); // hangs if it is held
    const bus = machine.attachBus(() => {}, { shared: true, worker: { wake, waitUntilIdle: () => {} } });
    bus.mmioWrite(VIRTIO_SLOTS[0]!.base + REG.QUEUE_NOTIFY, new Uint8Array(4));
    expect(wakes).toBe(1);
  });
});
