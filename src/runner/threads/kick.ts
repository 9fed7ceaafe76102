/** Kicks a vCPU thread out of KVM_RUN. */
import { kickThread } from '../../ffi/signals.ts';
import { isRunning, type VcpuMailbox } from './mailbox.ts';

/** Looks at the state first: the id of a thread that is gone may be another thread's by now. */
export function kickIfRunning(mailbox: VcpuMailbox): void {
  if (isRunning(mailbox.look()) && !kickThread(mailbox.threadId)) mailbox.leave();
}
