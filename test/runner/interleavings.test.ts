/** The protocol between a machine's owner and a vCPU thread, in every order of their steps. */
import { describe, expect, it } from 'vitest';
import { State, VcpuMailbox } from '../../src/runner/threads/mailbox.ts';
import { explore, type Variant } from './interleavings.ts';

const found = (variant: Variant) => [...explore(variant).violations.keys()].sort();

it('a vCPU thread and its owner: what is believed of the thread is so, in every order of their steps', () => {
  const { states, violations } = explore();
  expect([...violations]).toEqual([]);
  expect(states).toBeGreaterThan(10_000);
});

/** enter() without its check: the owner may have set PAUSE since the thread looked. */
class EntersUnchecked extends VcpuMailbox {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer, 0);
    this.#words = new Int32Array(buffer);
  }

  override enter(): boolean {
    this.#words[0] = (this.#words[0]! & ~State.GONE) | State.RUNNING;
    return true;
  }
}

/** An owner that does not kick again. */
class KicksOnlyTheFirstTime extends VcpuMailbox {
  #kicked = false;

  override ask(bits: number): boolean {
    const kick = super.ask(bits) && !this.#kicked;
    this.#kicked ||= kick;
    return kick;
  }
}

describe('the exploration finds', () => {
  it('a thread that enters the guest without looking again', () => {
    const variant: Variant = { mailbox: (buffer) => new EntersUnchecked(buffer) };
    expect(found(variant)).toContain('believed paused, it runs');
    const path = explore(variant).violations.get('believed paused, it runs');
    expect(path?.at(-1)).toMatch(/^guest/);
  });

  it('a thread that does not look again after it has eaten kicks', () => {
    expect(found({ steps: (steps) => ({ ...steps, again: () => 'guest' }) })).toContain('"pause" waits for ever');
  });

  it('a kick that is left out', () => {
    const variant: Variant = { mailbox: (buffer) => new KicksOnlyTheFirstTime(buffer, 0) };
    expect(found(variant)).toContain('"pause" waits for ever');
  });
});
