/** The 8259s and the 8254 of a machine that has them in user space: objects over their records, any number, in any thread. */
import type { DeviceHost, DeviceSpec } from '../devices/device.ts';
import { deviceRecords, PICS, PIT } from '../devices/devices.ts';
import type { Pics } from '../devices/pic/pair.ts';
import type { Pit } from '../devices/pit/timer.ts';

/** The part of a machine that has their records. */
export interface ChipOwner {
  readonly config: { readonly userChips: boolean };
  readonly devices: readonly DeviceSpec[];
  readonly deviceState: SharedArrayBuffer;
}

/** The interrupt controllers; undefined on other machines. What changes them takes the devices' lock where there are threads. */
export const openPics = ({ config, devices, deviceState }: ChipOwner): Pics | undefined =>
  config.userChips ? PICS.attach(deviceRecords(devices, deviceState).get(PICS.name)!) : undefined;

/** The timer, which raises its line at `host`; undefined on other machines. The same holds for the lock. */
export const openPit = ({ config, devices, deviceState }: ChipOwner, host: DeviceHost): Pit | undefined =>
  config.userChips ? PIT.attach(deviceRecords(devices, deviceState).get(PIT.name)!, host) : undefined;
