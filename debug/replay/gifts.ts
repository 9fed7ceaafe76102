/** What the host gave to a recorded machine behind an exit or in HLT: input, and the time for its timer. A replay gives it again. */
import type { DeviceHost } from '../../src/devices/device.ts';
import type { Pit } from '../../src/devices/pit/timer.ts';
import { openSerialInput, type SerialInput } from '../../src/devices/serial-input.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { openPit } from '../../src/machine/user-chips.ts';
import type { LogReader } from '../recording/log.ts';

/** See the file's header. */
export class Gifts {
  readonly #input: SerialInput;
  readonly #pit: Pit | undefined;

  constructor(machine: Machine, host: DeviceHost) {
    this.#input = openSerialInput(machine.devices, machine.deviceState, host);
    this.#pit = openPit(machine, host);
  }

  /** Gives all that is next in the log; what differs then, in words. */
  give(log: LogReader): string | undefined {
    for (;;) {
      const tick = log.takeIf('tick');
      if (tick && !this.#pit) return 'the machine has no timer, recorded is the time for one';
      if (tick) this.#pit!.tell(tick.ms);
      const input = log.takeIf('input');
      if (!input && !tick) return undefined;
      const taken = input ? this.#input.receive(input.bytes) : 0;
      if (input && taken !== input.bytes.length)
        return `the serial port takes ${taken} bytes of input, recorded is ${input.bytes.length}`;
    }
  }
}
