/**
 * What a vCPU thread does, as steps from place to place. Each step changes the mailbox at most once and depends on nothing
 * else, so a test can run these steps in all interleavings with the owner's.
 */
import { isPending, Request, type VcpuMailbox } from './mailbox.ts';

type OutsideGuest = 'decide' | 'answer' | 'answering' | 'rest' | 'resting' | 'sleep' | 'enter' | 'leave';
type Exchanging = 'completeIo' | 'ioCompleted' | 'exchange' | 'exchanged' | 'failed';
type BackFromKvmRun = 'interrupted' | 'paused' | 'kicked' | 'called' | 'calling' | 'again';
type StepPlace = OutsideGuest | Exchanging | BackFromKvmRun;

/** Where a thread is between two steps. */
export type VcpuPlace = StepPlace | 'guest' | 'gone';

/** The steps by place; each returns the next place. */
export type Steps = Readonly<Record<StepPlace, () => VcpuPlace>>;

/** What the steps do besides changing the mailbox. */
interface StepWork {
  /** Answers the calls that have come. */
  answer(): void;
  /** Completes the pending exit. False: it failed. */
  completePendingIo(): boolean;
  /** Fills the record (SAVE) or takes it (LOAD). False: it failed. */
  exchange(requests: number): boolean;
  /** Sleeps until the word is another than the one seen. */
  sleep(seen: number): void;
  clearKicks(): void;
}

/** Where a request leads a thread that does not run the guest; the first that is set counts. */
const LEADS_TO = [
  [Request.EXIT, 'leave'],
  [Request.CALL, 'answer'],
  [Request.SAVE | Request.LOAD, 'completeIo'],
  [Request.PAUSE | Request.ENDED, 'rest'],
] as const;
/** The requests that a thread carries out; the others are states that it takes. */
const WORK = LEADS_TO[0][0] | LEADS_TO[1][0] | LEADS_TO[2][0];

/** The place after a look at the mailbox. */
export const placeFor = (word: number): VcpuPlace => LEADS_TO.find(([bits]) => (word & bits) !== 0)?.[1] ?? 'enter';

/**
 * The steps of one thread, which begins at 'decide'. Two places have no step: at 'guest' KVM_RUN is called, and what
 * brings it back leads to 'interrupted' or, after {@link VcpuMailbox.ended}, to 'decide'; 'gone' is the end.
 */
export function vcpuSteps(mailbox: VcpuMailbox, work: StepWork): Steps {
  const go = (next: VcpuPlace, action: () => void) => (): VcpuPlace => {
    action();
    return next;
  };
  return {
    decide: () => placeFor(mailbox.look()),
    answer: () => (mailbox.takeCall() ? 'answering' : 'decide'),
    answering: go('decide', work.answer),

    completeIo: () => (!isPending(mailbox.look()) || work.completePendingIo() ? 'ioCompleted' : 'failed'),
    ioCompleted: go('exchange', () => mailbox.ioCompleted()),
    exchange: () => (work.exchange(mailbox.look()) ? 'exchanged' : 'failed'),
    exchanged: go('decide', () => mailbox.exchanged(false)),
    failed: go('decide', () => mailbox.exchanged(true)),

    rest: go('resting', () => mailbox.rest()),
    resting: go('sleep', work.clearKicks), // not sooner: a save need not wait for it, and what is left brings KVM_RUN back once
    sleep: () => {
      const seen = mailbox.look();
      if (placeFor(seen) === 'rest') work.sleep(seen);
      return 'decide';
    },

    enter: () => (mailbox.enter() ? 'guest' : 'decide'),
    interrupted: () => (mailbox.pauseIfAsked() ? 'paused' : 'kicked'),
    paused: () => ((mailbox.look() & WORK) === Request.SAVE ? 'exchange' : 'decide'), // a save alone: before KVM_RUN's loop is left, as that makes the pause longer
    kicked: go('called', work.clearKicks),
    called: () => (mailbox.takeCall() ? 'calling' : 'again'),
    calling: go('again', work.answer),
    again: () => (mailbox.pauseIfAsked() ? 'paused' : 'guest'),

    leave: go('gone', () => mailbox.leave()),
  };
}
