/** What a machine has so far, as far as a trace tells: its descriptors, memory, registers, exits, and what the guest printed. */
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { exitOf } from './exits.ts';

/** A trace may have any number of each, of any length; these many are kept, in so many characters. */
const MOST = 16;
const FACT_LENGTH = 500;
const OUTPUT_LENGTH = 400;

/** Ports of guests that print: the serial port, and the debug console. */
const PRINTS: ReadonlySet<number | undefined> = new Set([0x3f8, 0xe9]);

/** Numbers of an argument, by field. */
const FIELD = /\b(slot|guest_phys_addr|memory_size|flags)=([^,}\s]+)/g;

const isSet = (name: string) => name === 'KVM_SET_USER_MEMORY_REGION' || name === 'KVM_SET_USER_MEMORY_REGION2';

/** See the file's header. */
export class Life {
  readonly #files = new Map<number, string>();
  readonly #slots = new Map<string, string>();
  readonly #registers = new Map<string, string>();
  readonly #exits = new Map<string, number>();
  #output = '';

  add(event: TraceEvent): void {
    if ('text' in event || event.result < 0) return;
    const { name, fd, file, arg = '' } = event;
    put(this.#files, fd, file.slice(0, FACT_LENGTH));
    if (name === 'KVM_CREATE_VM') this.#slots.clear();
    if (isSet(name)) this.#setSlot(arg);
    if (/^KVM_[GS]ET_S?REGS2?$/.test(name))
      put(
        this.#registers,
        `${name.replace(/^KVM_[GS]ET_/, '')} of ${file}`.slice(0, FACT_LENGTH),
        arg.slice(0, FACT_LENGTH),
      );
    const exit = exitOf(event);
    if (!exit) return;
    put(this.#exits, exit.reason, (this.#exits.get(exit.reason) ?? 0) + 1);
    if (exit.access === 'out' && PRINTS.has(exit.address) && exit.data !== undefined)
      this.#output = (this.#output + Buffer.from(exit.data, 'hex').toString('latin1')).slice(-OUTPUT_LENGTH);
  }

  #setSlot(arg: string): void {
    const fields = Object.fromEntries([...arg.matchAll(FIELD)].map(([, name, value]) => [name, value]));
    const { slot = '0', guest_phys_addr: from = '0x0', memory_size: size = '0x0', flags } = fields;
    if (Number(size) === 0) this.#slots.delete(slot);
    else put(this.#slots, slot, `from ${from}, ${size} bytes${flags === undefined ? '' : `, ${flags}`}`);
  }

  /** In words, by what it is; what there is nothing of is left out. */
  get facts(): readonly (readonly [what: string, text: string])[] {
    const list = (map: ReadonlyMap<unknown, unknown>, between: string) =>
      [...map].map(([key, value]) => `${key}${between}${value}`);
    const all: [string, string][] = [
      ['Descriptors', list(this.#files, ' is ').join('\n')],
      ['Memory slots', list(this.#slots, ': ').join('\n')],
      ['Registers, as last read or written', list(this.#registers, ': ').join('\n')],
      ['Exits', list(this.#exits, ' ').join(', ')],
      ['The guest has printed', this.#output],
    ];
    return all.filter(([, text]) => text !== '');
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V): void {
  if (map.has(key) || map.size < MOST) map.set(key, value);
}
