/** `--checkpoint-at`: the moments at which a checkpoint is taken. */
import { InvalidArgumentError } from 'commander';
import type { StopPoints } from '../../../src/runner/threads/messages.ts';
import { parseAddress, parseCount, parseInterval } from '../parse.ts';

/** One moment. `exit` and `port` are exact: the guest stands right behind that exit. The others come as soon as can be. */
export type Trigger =
  | { readonly kind: 'exit'; readonly number: number }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'serial'; readonly text: string }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'signal' }
  | { readonly kind: 'end' };

const PARSERS: Readonly<Record<string, (text: string) => Trigger>> = {
  exit: (text) => ({ kind: 'exit', number: parseCount(text) }),
  port: (text) => ({ kind: 'port', port: parseAddress(text) }),
  serial: (text) => {
    if (text === '') throw new InvalidArgumentError('give the text to wait for, like serial:login:');
    return { kind: 'serial', text };
  },
  time: (text) => ({ kind: 'time', ms: parseInterval(text) }),
};

/** Help for the option. */
export const TRIGGER_HELP =
  'take a checkpoint at exit:N, port:P, serial:TEXT, time:MS, signal (SIGUSR2) or end; may be repeated';

/** Parses one trigger and adds it to those before. */
export function parseTrigger(text: string, before: readonly Trigger[] = []): Trigger[] {
  if (text === 'signal' || text === 'end') return [...before, { kind: text }];
  const colon = text.indexOf(':');
  const parse = PARSERS[text.slice(0, colon)];
  if (colon < 0 || !parse) {
    throw new InvalidArgumentError('give exit:N, port:P, serial:TEXT, time:MS (or 5s, 2m), signal or end');
  }
  return [...before, parse(text.slice(colon + 1))];
}

/** Where the vCPU threads must stop for the exact ones; undefined when there are none. */
export function stopPointsOf(triggers: readonly Trigger[]): StopPoints | undefined {
  const exits = triggers.flatMap((t) => (t.kind === 'exit' ? [t.number] : []));
  const ports = triggers.flatMap((t) => (t.kind === 'port' ? [t.port] : []));
  return exits.length + ports.length > 0 ? { exits, ports } : undefined;
}

/** Watches a stream for texts: each calls `found` once, when its last byte has passed. */
export function textWatcher(texts: readonly string[], found: (text: string) => void): (bytes: Uint8Array) => void {
  const waiting = new Set(texts);
  const longest = Math.max(0, ...texts.map((text) => text.length));
  let tail = '';
  return (bytes) => {
    if (waiting.size === 0) return;
    const seen = tail + Buffer.from(bytes).toString('latin1');
    for (const text of waiting) {
      if (!seen.includes(text)) continue;
      waiting.delete(text);
      found(text);
    }
    tail = seen.slice(-longest);
  };
}
