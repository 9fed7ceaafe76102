/** An event in a sentence, from the tables of the API: what the ioctl does, and why KVM_RUN came back. */
import { EXIT_DOCS, type ExitName } from '../../src/abi/exits.ts';
import type { IoctlRow } from '../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import { errnoName } from '../../src/errors.ts';
import { hintFor } from '../../src/kvm/hints.ts';
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { exitReason } from './exits.ts';

const rowOf = (name: string): IoctlRow | undefined =>
  Object.hasOwn(IOCTLS, name) ? (IOCTLS as Record<string, IoctlRow>)[name] : undefined;

/** See the file's header; undefined for what the tables do not know. */
export function sentenceOf(event: TraceEvent): string | undefined {
  if ('text' in event) return undefined;
  const { name, result } = event;
  const reason = exitReason(event);
  const exit = reason !== undefined && Object.hasOwn(EXIT_DOCS, reason) ? EXIT_DOCS[reason as ExitName] : undefined;
  if (exit !== undefined) return `${name} came back with ${reason}: ${exit}`;
  const row = rowOf(name);
  if (!row) return undefined;
  const hint = result < 0 ? hintFor(name, -result) : '';
  const answer =
    result < 0
      ? `. It answers ${errnoName(-result)}${hint && `: ${hint}`}`
      : row.returns === undefined
        ? ''
        : `. It returns: ${row.returns}`;
  return `${name}: ${row.doc}${answer} (api.rst ${row.section})`;
}

/** What makes two events the same to {@link sentenceOf}: whoever has read the sentence once need not read it again. */
export const kindOf = (event: TraceEvent): string =>
  'text' in event ? '' : `${event.name} ${exitReason(event) ?? ''} ${Math.min(event.result, 0)}`;
