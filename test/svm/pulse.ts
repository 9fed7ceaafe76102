/**
 * A second source of interrupts for a host on an emulated processor. QEMU up to 10.1 changes the set of pending interrupts
 * without its lock when a guest of that host exits, so that the timer's interrupt is lost now and then. It is still pending in
 * the local APIC, and comes with the next interrupt of any kind; on a host that waits, or whose guest waits for another, there
 * is none. The update interrupt of the RTC, which Linux asks for 64 times a second where the HPET stands in for it, is one.
 */
import { Fd } from '../../src/ffi/fd.ts';

const RTC_UIE_ON = 0x7003; // _IO('p', 3), linux/rtc.h

/** Begins it, until the process ends. Returns why there is none, where there is none. */
export function startPulse(device = '/dev/rtc0'): string | undefined {
  try {
    const rtc = Fd.openDevice(device, () => '');
    return rtc.ioctlInt(RTC_UIE_ON, 0) < 0 ? `${device} has no update interrupt` : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
