/** `--checkpoint-at`: the moments at which a checkpoint is taken. */
import { InvalidArgumentError } from 'commander';
import type { SerialText, StopPoints } from '../../../src/runner/stop-points.ts';
import { parseAddress, parseCount, parseDuration } from '../parse.ts';

/** One moment. `exit`, `port` and `serial` are exact: the guest stops right after that exit. The others are not. */
export type Trigger =
  | { readonly kind: 'exit'; readonly number: number }
  | { readonly kind: 'port'; readonly port: number }
  | ({ readonly kind: 'serial' } & SerialText)
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'signal' }
  | { readonly kind: 'end' };

const PARSERS: Readonly<Record<string, (text: string) => Trigger>> = {
  exit: (text) => ({ kind: 'exit', number: parseCount(text) }),
  port: (text) => ({ kind: 'port', port: parseAddress(text) }),
  serial: (text) => {
    if (text === '') throw new InvalidArgumentError('give the text to wait for, like serial:login:');
    return { kind: 'serial', text, bytes: bytesOf(text) };
  },
  time: (text) => ({ kind: 'time', ms: parseDuration(text) }),
};

const ESCAPE = /(\\x[0-9a-f]{2})/i;

/** The bytes of a text: UTF-8, with \xNN for any byte. */
const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(
    text
      .split(ESCAPE)
      .flatMap((part) => (ESCAPE.test(part) ? [Number.parseInt(part.slice(2), 16)] : [...Buffer.from(part)])),
  );

/** Help for the option. */
export const TRIGGER_HELP =
  'take a checkpoint at exit:N, port:P, serial:TEXT (\\xNN is a byte), time:TIME, signal (SIGUSR2) or end; may be repeated';

/** Parses one trigger and adds it to those before. */
export function parseTrigger(text: string, before: readonly Trigger[] = []): Trigger[] {
  if (text === 'signal' || text === 'end') return [...before, { kind: text }];
  const colon = text.indexOf(':');
  const parse = PARSERS[text.slice(0, colon)];
  if (colon < 0 || !parse) {
    throw new InvalidArgumentError('give exit:N, port:P, serial:TEXT, time:200ms (or 5s, 2m), signal or end');
  }
  return [...before, parse(text.slice(colon + 1))];
}

const LABELS: { readonly [Kind in Trigger['kind']]: (trigger: Trigger & { kind: Kind }) => string } = {
  exit: ({ number }) => `exit:${number}`,
  port: ({ port }) => `port:0x${port.toString(16)}`,
  serial: ({ text }) => `serial:${text}`,
  time: ({ ms }) => `time:${ms}ms`,
  signal: () => 'signal',
  end: () => 'end',
};

/** A trigger as its checkpoint is labelled. */
export const labelOf = (trigger: Trigger): string => LABELS[trigger.kind](trigger as never);

/** Stop points for the exact triggers; undefined if there are none. */
export function stopPointsOf(triggers: readonly Trigger[]): StopPoints | undefined {
  const exits = triggers.flatMap((t) => (t.kind === 'exit' ? [t.number] : []));
  const ports = triggers.flatMap((t) => (t.kind === 'port' ? [t.port] : []));
  const serial = triggers.flatMap((t) => (t.kind === 'serial' ? [{ text: t.text, bytes: t.bytes }] : []));
  if (exits.length + ports.length + serial.length === 0) return undefined;
  return { exits, ports, ...(serial.length > 0 && { serial }) };
}
