import { expect, it } from 'vitest';
import { HostError } from '../../src/errors.ts';
import { createMailboxes, Request, State, VcpuMailbox } from '../../src/runner/threads/mailbox.ts';
import { VcpuGroup } from '../../src/runner/threads/vcpu-group.ts';
import { type VcpuPlace, vcpuSteps } from '../../src/runner/threads/vcpu-steps.ts';
import type { VcpuThread } from '../../src/runner/threads/vcpu-thread.ts';
import { thrown } from '../support/thrown.ts';

/** Writes down when a thread that ran the guest has paused. */
class WatchedMailbox extends VcpuMailbox {
  readonly #paused: () => void;

  constructor(buffer: SharedArrayBuffer, id: number, paused: () => void) {
    super(buffer, id);
    this.#paused = paused;
  }

  override pauseIfAsked(): boolean {
    const paused = super.pauseIfAsked();
    if (paused) this.#paused();
    return paused;
  }
}

/** A thread in this one: it takes its steps, and writes down what it does, as soon as something is asked of it. */
function threadHere(buffer: SharedArrayBuffer, id: number, done: string[], isStuck = false): VcpuThread {
  const mailbox = new WatchedMailbox(buffer, id, () => done.push(`pause ${id}`));
  const steps = vcpuSteps(mailbox, {
    answer: () => {},
    completePendingIo: () => true,
    exchange: (requests) => done.push(`${requests & Request.SAVE ? 'save' : 'load'} ${id}`) > 0,
    sleep: () => {},
    clearKicks: () => {},
  });
  mailbox.withdraw(Request.PAUSE);
  mailbox.enter();
  const ask = (bits: number) => {
    if (isStuck) return void mailbox.ask(bits);
    let place: VcpuPlace = mailbox.ask(bits) ? 'interrupted' : 'decide';
    while (place !== 'sleep' && place !== 'guest' && place !== 'gone') place = steps[place]();
  };
  const thread = {
    id,
    mailbox,
    record: new Uint8Array(8),
    ask,
    kick: () => {},
    noticeDeath: () => {},
    isOver: false,
  };
  return thread as unknown as VcpuThread;
}

const owner = { drain: () => {}, failure: () => undefined };

function group(cpus: number, deadlineMs?: number, stuck = -1) {
  const done: string[] = [];
  const made = new VcpuGroup({ ...owner, ...(deadlineMs !== undefined && { deadlineMs }) });
  const buffer = createMailboxes(cpus);
  for (let id = 0; id < cpus; id++) made.threads.push(threadHere(buffer, id, done, id === stuck));
  return { made, done };
}

it('no vCPU is saved while another still runs, and could interrupt it', () => {
  const { made, done } = group(3);
  made.beginSave();
  expect(done).toEqual(['pause 0', 'pause 1', 'pause 2', 'save 0', 'save 1', 'save 2']);
});

it('a single vCPU pauses and saves in one go', () => {
  const { made, done } = group(1);
  made.beginSave();
  expect(done).toEqual(['pause 0', 'save 0']);
});

it('a vCPU that never comes to rest is given up, and named', () => {
  const { made } = group(3, 50, 1);
  const error = thrown(HostError, () => made.pause());
  expect(error).toMatchObject({ code: 'VCPU_STUCK' });
  expect(String(error)).toMatch(/vCPU 1 .*0\.05 s/);
  expect(made.threads[1]!.mailbox.look() & State.GONE).toBe(State.RUNNING);
});
