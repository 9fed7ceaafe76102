/**
 * The two 8259As of a PC, in user space: for machines to which nothing may come that the host does not know of. The slave's
 * output is line 2 of the master. Lines are edge-triggered unless the ELCR registers (82371AB PIIX4 data sheet) say otherwise.
 */
import type { Live } from '../../abi/struct.ts';
import { KvmPicState } from '../../abi/structs.ts';
import type { Device, DeviceHost, DeviceSpec } from '../device.ts';
import { declareDevice, type Placed } from '../record.ts';
import { CASCADE_LINE, PicChip } from './chip.ts';

const MASTER_PORT = 0x20;
const SLAVE_PORT = 0xa0;
const ELCR_PORT = 0x4d0;
/** Lines that a PC lets be level-triggered: not the timer, the keyboard, the cascade, the clock, the x87. */
const ELCR_MASKS = { master: 0xf8, slave: 0xde } as const;

/** What a poll gives: a request, or line 7 without one. */
const POLLED = 0x80;
const POLLED_NOTHING = 0x07;

const FIELDS = { master: KvmPicState, slave: KvmPicState };

/** The controllers, with the processor's side of them. */
export interface Pics extends Device {
  /** The level of line 0 to 15; undefined: none. */
  setLine(line: number | undefined, level: 0 | 1): void;
  /** The processor's INTR pin. */
  isWaiting(): boolean;
  /** The processor takes an interrupt: its vector. */
  acknowledge(): number;
  /** Lines 0 to 7 in service, a bit each. */
  inService(): number;
  /** Whether line 0 to 7 would have an interrupt for the processor if it rose now. */
  wouldRequest(line: number): boolean;
  /** As firmware leaves them: the vectors of the first lines, and the masks. */
  begin(master: PicStart, slave: PicStart): void;
}

/** How a controller begins. */
export interface PicStart {
  /** Vector of its first line. */
  readonly base: number;
  /** Lines that are masked. */
  readonly mask: number;
  /** Lines that are level-triggered. */
  readonly levels: number;
}

/** What the spec of the controllers attaches. */
export interface PicsSpec extends DeviceSpec {
  attach(state: Uint8Array): Pics;
}

/** The controllers ask nothing of their host. */
const NO_HOST = {} as DeviceHost;

/** The pair at its places in a PC. */
export function pics(): PicsSpec {
  const spec = declareDevice('pic', FIELDS, {
    reset({ master, slave }) {
      master.elcr_mask = ELCR_MASKS.master;
      slave.elcr_mask = ELCR_MASKS.slave;
    },
    attach: attachPics,
  });
  return { ...spec, attach: (state) => spec.attach(state, NO_HOST) };
}

function attachPics(fields: Live<Placed<typeof FIELDS>>): Omit<Pics, 'name'> {
  const slave = new PicChip(fields.slave, false, update);
  const master = new PicChip(fields.master, true, update);

  /** A request of the slave is a pulse at the master, which remembers it. */
  function update(): void {
    if (slave.request === undefined) return;
    master.setLine(CASCADE_LINE, 1);
    master.setLine(CASCADE_LINE, 0);
  }

  function poll(chip: PicChip): number {
    const line = chip.request;
    if (line === undefined) {
      update();
      return POLLED_NOTHING;
    }
    if (chip === slave) master.drop(CASCADE_LINE);
    chip.drop(line);
    if (chip === slave || line !== CASCADE_LINE) update();
    return POLLED | line;
  }

  const chipAt = (port: number) => (port & 0x80 ? slave : master);
  const isElcr = (port: number) => port >= ELCR_PORT;
  const elcrAt = (port: number) => (port & 1 ? slave : master).record;

  return {
    ports: [
      { base: MASTER_PORT, length: 2 },
      { base: SLAVE_PORT, length: 2 },
      { base: ELCR_PORT, length: 2 },
    ],
    read(port) {
      if (isElcr(port)) return elcrAt(port).elcr;
      const chip = chipAt(port);
      if (!chip.record.poll) return chip.read((port & 1) === 1);
      chip.record.poll = 0;
      return poll(chip);
    },
    write(port, _width, value) {
      if (isElcr(port)) elcrAt(port).elcr = value & elcrAt(port).elcr_mask;
      else if (port & 1) chipAt(port).writeData(value);
      else chipAt(port).writeCommand(value);
      return undefined;
    },
    setLine(line, level) {
      if (line === undefined) return;
      (line > 7 ? slave : master).setLine(line & 7, level);
      update();
    },
    isWaiting: () => master.request !== undefined,
    acknowledge() {
      const { line, vector } = master.acknowledge();
      const given = line === CASCADE_LINE ? slave.acknowledge().vector : vector;
      update();
      return given;
    },
    inService: () => master.record.isr,
    wouldRequest: (line) => master.wouldRequest(line),
    begin(...starts) {
      [master, slave].forEach(({ record }, i) => {
        const { base, mask, levels } = starts[i]!;
        Object.assign(record, { irq_base: base, imr: mask, elcr: levels, init4: 1 });
      });
    },
  };
}
