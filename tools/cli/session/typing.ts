/** What is typed at a guest with a BIOS: it may read its keyboard or its serial port, so both get all of it. */
import { hasBios } from '../../../src/bios/memory-image.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { terminalKeys } from '../../screen/keys.ts';

const RETRY_MS = 20;
/** Most bytes that wait for a keyboard nobody reads; more is dropped there. */
const WAITING_BYTES = 65_536;

/** Where typed bytes go: `send` returns how many were taken. Call `stop` at the end. */
export interface Typing {
  send(bytes: Uint8Array): number;
  stop(): void;
}

/** The inputs of a machine: the serial port, and with a BIOS the keyboard, too. */
export function typingAt(running: RunningMachine): Typing {
  if (!hasBios(running.machine.memory)) return { send: (bytes) => running.send(bytes), stop: () => {} };
  const keyboard = keySender((codes) => running.press(codes));
  let waiting: Uint8Array = new Uint8Array(0);
  let timer: NodeJS.Timeout | undefined;
  const push = () => {
    timer = undefined;
    waiting = waiting.subarray(keyboard(waiting));
    if (waiting.length > 0) timer = setTimeout(push, RETRY_MS);
  };
  return {
    send(bytes) {
      const taken = running.send(bytes);
      waiting = Buffer.concat([waiting, bytes.subarray(0, taken)]).subarray(0, WAITING_BYTES);
      if (!timer) push();
      return taken;
    },
    stop: () => clearTimeout(timer),
  };
}

/** How long the rest of a key may take to come: its bytes may arrive in two reads, as over a network. */
const REST_MS = 50;

/** Takes what a terminal sends to the keyboard; returns how many bytes were taken. The others are to be sent again, soon. */
export function keySender(
  press: (codes: Uint8Array) => number,
  now = () => performance.now(),
): (bytes: Uint8Array) => number {
  let half: { readonly codes: Uint8Array; readonly bytes: number } | undefined;
  let begun: { readonly bytes: number; readonly at: number } | undefined;
  /** Presses a key that the terminal sent as so many bytes; returns them when it is down and up, else 0. */
  const finish = (codes: Uint8Array, bytes: number) => {
    const pressed = press(codes);
    half = pressed < codes.length ? { codes: codes.subarray(pressed), bytes } : undefined;
    return half ? 0 : bytes;
  };
  /** Whether the rest of a key that has these bytes may still come. */
  const mayStillCome = (bytes: number) => {
    if (begun?.bytes !== bytes) begun = { bytes, at: now() };
    return now() - begun.at < REST_MS;
  };
  return (bytes) => {
    let taken = half ? finish(half.codes, half.bytes) : 0;
    if (half) return taken;
    for (const key of terminalKeys(bytes.subarray(taken))) {
      if (key.mayGoOn && mayStillCome(bytes.length - taken)) break;
      begun = undefined;
      taken += finish(key.codes, key.bytes);
      if (half) break;
    }
    return taken;
  };
}
