/** What is expected of a guest, with messages that show what was there instead. */
import type { MemoryRange } from '../../debug/blame/writes.ts';
import { hex } from '../../src/abi/numbers.ts';
import { UsageError } from '../../src/errors.ts';
import type { RunReason } from '../../src/runner/result.ts';
import { Guest, type GuestRegister, isIn } from './guest.ts';
import { littleEndian, nameOf, type Place } from './named-memory.ts';
import { describeEnd, hexdump, tailOf } from './narrate.ts';

/** The matchers, as an `expect` takes them on. `R` is what each returns there. */
export interface GuestMatchers<R = void> {
  /** The guest has printed this text on its serial port, or text that matches. */
  toHavePrinted(expected: string | RegExp): R;
  /** This text is on its text screen (VGA), or text that matches. Lines have no spaces at their ends. */
  toHaveOnScreen(expected: string | RegExp): R;
  /** Its last run ended: with this status through the debug-exit port, or in this way ("halted", "poweroff", …). */
  toHaveExitedWith(expected: number | RunReason): R;
  /** A register holds this value. */
  toHaveRegister(name: GuestRegister, expected: bigint | number): R;
  /** Memory at a symbol or guest-physical address holds these bytes, or this little-endian integer, as wide as the symbol. */
  toHaveMemory(place: Place, expected: Uint8Array | bigint): R;
}

interface Verdict {
  readonly pass: boolean;
  readonly message: () => string;
}

const verdict = (pass: boolean, wanted: string, found: () => string): Verdict => ({
  pass,
  message: () => `expected the guest ${pass ? 'not ' : ''}to ${wanted}\n${found()}`,
});

function guestOf(received: unknown, matcher: string): Guest {
  if (received instanceof Guest) return received;
  throw new UsageError(`${matcher} is about a guest: write expect(guest).${matcher}(…)`);
}

const named = (expected: string | RegExp) =>
  typeof expected === 'string' ? JSON.stringify(expected) : `what matches ${expected}`;

/** Of a recorded guest: who has changed the bytes that differ, or if none does, any of them. */
function blamed({ recorded, memory }: Guest, place: Place, length: number, differs: (at: number) => boolean): string[] {
  if (!recorded) return [];
  const pieces = [...memory.pieces(place, length)];
  const wrong = pieces.flatMap(({ gpa, at, size }) => runsWhere(size, (i) => differs(at + i)).map(shiftedBy(gpa)));
  return [recorded.lastWriter(wrong.length > 0 ? wrong : pieces.map(({ gpa, size }) => ({ gpa, length: size })))];
}

const shiftedBy = (gpa: number) => (range: MemoryRange) => ({ gpa: gpa + range.gpa, length: range.length });

/** The runs of indices below `size` that are wanted. */
function runsWhere(size: number, isWanted: (index: number) => boolean): MemoryRange[] {
  const runs: MemoryRange[] = [];
  for (let i = 0; i < size; i++) {
    const last = runs.at(-1);
    if (!isWanted(i)) continue;
    if (last && last.gpa + last.length === i) runs[runs.length - 1] = { gpa: last.gpa, length: last.length + 1 };
    else runs.push({ gpa: i, length: 1 });
  }
  return runs;
}

/** For expect.extend(). */
export const guestMatchers = {
  /** See {@link GuestMatchers.toHavePrinted}. */
  toHavePrinted(received: unknown, expected: string | RegExp): Verdict {
    const { serial } = guestOf(received, 'toHavePrinted');
    return verdict(isIn(serial, expected), `have printed ${named(expected)}`, () => tailOf(serial));
  },

  /** See {@link GuestMatchers.toHaveOnScreen}. */
  toHaveOnScreen(received: unknown, expected: string | RegExp): Verdict {
    const { text } = guestOf(received, 'toHaveOnScreen').screen;
    return verdict(isIn(text, expected), `have ${named(expected)} on its screen`, () => tailOf(text, 'its screen'));
  },

  /** See {@link GuestMatchers.toHaveExitedWith}. */
  toHaveExitedWith(received: unknown, expected: number | RunReason): Verdict {
    const guest = guestOf(received, 'toHaveExitedWith');
    const { end } = guest;
    const pass =
      typeof expected === 'number' ? end?.reason === 'exit-port' && end.value === expected : end?.reason === expected;
    const wanted = typeof expected === 'number' ? `have exited with status ${expected}` : `have ended with ${expected}`;
    const found = () => [`its end: ${describeEnd(end)}`, guest.explanation ?? '', tailOf(guest.serial)];
    return verdict(pass, wanted, () => found().filter(Boolean).join('\n'));
  },

  /** See {@link GuestMatchers.toHaveRegister}. */
  toHaveRegister(received: unknown, name: GuestRegister, expected: bigint | number): Verdict {
    const guest = guestOf(received, 'toHaveRegister');
    const regs = guest.regs();
    if (!(name in regs)) throw new UsageError(`no register ${name}; there are ${Object.keys(regs).join(', ')}`);
    const at = guest.symbols.describe(regs.rip);
    return verdict(regs[name] === BigInt.asUintN(64, BigInt(expected)), `have ${hex(expected)} in ${name}`, () =>
      [`${name}: ${hex(regs[name])}`, `rip: ${hex(regs.rip)}${at ? ` <${at}>` : ''}`].join('\n'),
    );
  },

  /** See {@link GuestMatchers.toHaveMemory}. */
  toHaveMemory(received: unknown, place: Place, expected: Uint8Array | bigint): Verdict {
    const guest = guestOf(received, 'toHaveMemory');
    const { memory } = guest;
    const bytes = typeof expected === 'bigint' ? littleEndian(expected, memory.widthOf(place)) : expected;
    const found = memory.read(place, bytes.length);
    const wanted = typeof expected === 'bigint' ? hex(expected) : `these ${bytes.length} bytes`;
    const address = memory.address(place);
    const differs = (i: number) => found[i] !== bytes[i];
    return verdict(Buffer.compare(found, bytes) === 0, `have ${wanted} at ${nameOf(place)}`, () =>
      [
        `there is (lines that differ begin with ">"):\n${hexdump(found, address, differs)}`,
        `expected:\n${hexdump(bytes, address, differs)}`,
        ...blamed(guest, place, found.length, differs),
      ].join('\n'),
    );
  },
};
