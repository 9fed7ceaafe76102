/**
 * One 8259A interrupt controller (Intel data sheet 231468) as a state machine over its record, which has the fields of KVM's own.
 * Where the data sheet leaves something open, or real guests want it otherwise, it does what KVM's does, so that a guest finds no
 * difference: a test compares the two. Only the special mask mode, which KVM's keeps and does not obey, is obeyed here.
 */
import type { Live } from '../../abi/struct.ts';
import type { KvmPicState } from '../../abi/structs.ts';

/** The state of a controller. */
export type PicRecord = Live<typeof KvmPicState.fields>;

/** The master's line to which the slave is wired. */
export const CASCADE_LINE = 2;
/** The line whose vector is given where the one that asked has fallen meanwhile. */
const SPURIOUS_LINE = 7;

const ICW1 = { BEGIN: 0x10, NEEDS_ICW4: 0x01 } as const;
const ICW4 = { NESTED: 0x10, AUTO_EOI: 0x02 } as const;
const OCW3 = { SELECT: 0x08, POLL: 0x04, READ: 0x02, READ_ISR: 0x01, MASK_MODE: 0x40, MASK_ON: 0x20 } as const;

/** What the next write to the data port is, by init_state. */
const Next = { MASK: 0, ICW2: 1, ICW3: 2, ICW4: 3 } as const;

/** See the file's header. It keeps nothing outside the record. */
export class PicChip {
  readonly record: PicRecord;
  readonly #isMaster: boolean;
  /** Called where the output may have changed. */
  readonly #changed: () => void;

  constructor(record: PicRecord, isMaster: boolean, changed: () => void) {
    this.record = record;
    this.#isMaster = isMaster;
    this.#changed = changed;
  }

  /** A line's level. On an edge-triggered line only its rise counts. */
  setLine(line: number, level: 0 | 1): void {
    const { record } = this;
    const bit = 1 << line;
    if (level === 1) {
      if (record.elcr & bit || !(record.last_irr & bit)) record.irr |= bit;
      record.last_irr |= bit;
    } else {
      if (record.elcr & bit) record.irr &= ~bit;
      record.last_irr &= ~bit;
    }
  }

  /** The line that asks for an interrupt and may have one now; undefined when there is none. */
  get request(): number | undefined {
    const { irr, imr } = this.record;
    const asked = this.#priority(irr & ~imr);
    return asked < this.#served ? this.#line(asked) : undefined;
  }

  /** Whether a line would have an interrupt if it asked for one now: it is not masked, and none of its priority or above is served. */
  wouldRequest(line: number): boolean {
    return this.#priority((1 << line) & ~this.record.imr) < this.#served;
  }

  /** Below which priority interrupts are held back. */
  get #served(): number {
    const { isr, imr, special_mask, special_fully_nested_mode } = this.record;
    const served = special_mask ? isr & ~imr : isr;
    const passed = special_fully_nested_mode && this.#isMaster ? 1 << CASCADE_LINE : 0;
    return this.#priority(served & ~passed);
  }

  /** The processor takes the interrupt that is requested: its vector, and its line, undefined where none is requested any more. */
  acknowledge(): { readonly line: number | undefined; readonly vector: number } {
    const line = this.request;
    if (line !== undefined) this.#begin(line);
    return { line, vector: this.record.irq_base + (line ?? SPURIOUS_LINE) };
  }

  #begin(line: number): void {
    const { record } = this;
    const bit = 1 << line;
    record.isr |= bit;
    if (!(record.elcr & bit)) record.irr &= ~bit;
    if (!record.auto_eoi) return;
    if (record.rotate_on_auto_eoi) this.#setLowest(line);
    record.isr &= ~bit;
  }

  /** A write to the command port: ICW1, OCW2 or OCW3. */
  writeCommand(value: number): void {
    if (value & ICW1.BEGIN) this.#initialize(value);
    else if (value & OCW3.SELECT) this.#select(value);
    else OCW2[value >> 5]!(this, value & 7);
  }

  #initialize(icw1: number): void {
    const { record } = this;
    const init4 = icw1 & ICW1.NEEDS_ICW4;
    const cleared = { last_irr: 0, imr: 0, priority_add: 0, special_mask: 0, read_reg_select: 0 };
    if (!init4) Object.assign(record, { special_fully_nested_mode: 0, auto_eoi: 0 });
    const edges = record.irr & ~record.elcr;
    record.isr &= ~edges;
    record.irr &= record.elcr;
    Object.assign(record, { ...cleared, init4, init_state: Next.ICW2 });
  }

  #select(ocw3: number): void {
    const { record } = this;
    if (ocw3 & OCW3.POLL) record.poll = 1;
    if (ocw3 & OCW3.READ) record.read_reg_select = ocw3 & OCW3.READ_ISR;
    if (ocw3 & OCW3.MASK_MODE) record.special_mask = ocw3 & OCW3.MASK_ON ? 1 : 0;
  }

  /** A write to the data port: the mask, or ICW2 to ICW4 behind an ICW1. */
  writeData(value: number): void {
    const { record } = this;
    switch (record.init_state) {
      case Next.ICW2:
        record.irq_base = value & 0xf8;
        record.init_state = Next.ICW3;
        break;
      case Next.ICW3:
        record.init_state = record.init4 ? Next.ICW4 : Next.MASK;
        break;
      case Next.ICW4:
        record.special_fully_nested_mode = value & ICW4.NESTED ? 1 : 0;
        record.auto_eoi = value & ICW4.AUTO_EOI ? 1 : 0;
        record.init_state = Next.MASK;
        break;
      default:
        record.imr = value;
        this.#changed();
    }
  }

  /** The controller's part of a poll: the request is taken and over at once. */
  drop(line: number): void {
    this.record.irr &= ~(1 << line);
    this.record.isr &= ~(1 << line);
  }

  /** A read of either port, if no poll was asked for. */
  read(isData: boolean): number {
    const { record } = this;
    if (isData) return record.imr;
    return record.read_reg_select ? record.isr : record.irr;
  }

  /** Ends the service of a line; `rotates`: it then has the lowest priority. */
  end(line: number, rotates = false): void {
    this.record.isr &= ~(1 << line);
    if (rotates) this.#setLowest(line);
    this.#changed();
  }

  /** Ends the service of the line of the highest priority, if any is served. */
  endHighest(rotates = false): void {
    const served = this.#priority(this.record.isr);
    if (served !== NOTHING) this.end(this.#line(served), rotates);
  }

  /** Gives a line the lowest priority. */
  rotate(line: number): void {
    this.#setLowest(line);
    this.#changed();
  }

  #setLowest(line: number): void {
    this.record.priority_add = (line + 1) & 7;
  }

  /** How far the first of these lines is from the one of the highest priority. */
  #priority(lines: number): number {
    if (lines === 0) return NOTHING;
    const { priority_add } = this.record;
    const rotated = ((lines | (lines << 8)) >> (priority_add & 7)) & 0xff;
    return 31 - Math.clz32(rotated & -rotated);
  }

  #line(priority: number): number {
    return (priority + this.record.priority_add) & 7;
  }
}

const NOTHING = 8;

/** OCW2 by its upper three bits: rotate, specific, end of interrupt. */
const OCW2: readonly ((chip: PicChip, line: number) => void)[] = [
  ({ record }) => {
    record.rotate_on_auto_eoi = 0;
  },
  (chip) => chip.endHighest(),
  () => {},
  (chip, line) => chip.end(line),
  ({ record }) => {
    record.rotate_on_auto_eoi = 1;
  },
  (chip) => chip.endHighest(true),
  (chip, line) => chip.rotate(line),
  (chip, line) => chip.end(line, true),
];
