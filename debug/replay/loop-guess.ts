/**
 * How far away a place in a loop is, as far as can be seen from two passes of its address: registers that grow evenly say how many turns
 * are left. It is a guess, by which the run goes ahead without a stop at each turn; what is found is compared in all.
 */
import { KvmRegs } from '../../src/abi/structs.ts';

const GENERAL = Object.entries(KvmRegs.fields).flatMap(([name, [offset]]) =>
  name === 'rip' || name === 'rflags' ? [] : [offset],
);

/** So many turns are gone through one by one: before the first guess, and at the end. */
const NEAR = 500;
/** Of the time that is left, as it seems, so much is run ahead. */
const SHARE = 0.5;
/** The first time, no processor makes more than some hundred turns; from then on the times grow by a factor at most. */
const FIRST_MS = 0.001;
const GROWTH = 4;
/** Turns that do not count, as they were not a part of the time; and those from which on a time says something of a turn's. */
const STOPPED_TURNS = 2;
const MEASURED_TURNS = 8;

/** Turns from `here` to `wanted`, all three as struct kvm_regs; undefined where none can be told. */
export function turnsLeft(before: Uint8Array, here: Uint8Array, wanted: Uint8Array): number | undefined {
  const [a, b, c] = [before, here, wanted].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset));
  const found: number[] = [];
  for (const offset of GENERAL) {
    const [was, is, willBe] = [a!, b!, c!].map((view) => view.getBigInt64(offset, true)) as [bigint, bigint, bigint];
    if (was === is && is !== willBe) return undefined; // it changes in another loop, around this one
    if (was === is) continue;
    const [growth, left] = [BigInt.asIntN(64, is - was), BigInt.asIntN(64, willBe - is)];
    if (left % growth === 0n && left / growth > 0n) found.push(Number(left / growth));
  }
  return found.length === 0 ? undefined : Math.min(...found);
}

/** See the file's header. */
export class LoopGuess {
  readonly #wanted: Uint8Array;
  #before: Uint8Array | undefined;
  #passes = 0;
  /** The shortest that was measured: on a busy host, a part of the time is that of others. */
  #turnMs = Number.POSITIVE_INFINITY;
  #left = 0;
  #ranMs = 0;

  /** The registers at the place, as struct kvm_regs. */
  constructor(wanted: Uint8Array) {
    this.#wanted = wanted;
  }

  /** The run passes the address. Returns for how many milliseconds it is to run ahead; 0: go on to the next pass. */
  pass(registers: Uint8Array): number {
    if (++this.#passes < NEAR) return 0;
    const before = this.#before;
    this.#before = registers.slice();
    const left = before && turnsLeft(before, registers, this.#wanted);
    if (left === undefined) return 0;
    const turns = this.#left - left - STOPPED_TURNS;
    if (turns >= MEASURED_TURNS) this.#turnMs = Math.min(this.#turnMs, this.#ranMs / turns);
    this.#left = 0;
    if (left < NEAR) return 0;
    this.#ranMs = this.#ranMs === 0 ? FIRST_MS : Math.min(this.#ranMs * GROWTH, left * this.#turnMs * SHARE);
    this.#left = left;
    this.#before = undefined;
    return this.#ranMs;
  }
}
