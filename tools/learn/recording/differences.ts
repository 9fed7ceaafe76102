/** How a machine that a program gave to KVM_RUN differs from the one in a recording, in names that its programmer knows. */
import type { Difference } from '../../../exercises/exercise.ts';
import { plain, type Struct } from '../../../src/abi/struct.ts';
import { KvmRegs, KvmRun, KvmSregs } from '../../../src/abi/structs.ts';
import type { Given, SlotFacts } from './format.ts';
import { byteAt, firstDifference, type Stretches, spread } from './stretches.ts';

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** "slot 2, 0x1000 bytes at 0x10000". */
export const slotText = ([slot, flags, gpa, size]: SlotFacts): string =>
  `slot ${slot}, ${hex(size)} bytes at ${hex(gpa)}${flags === 0 ? '' : `, flags ${hex(flags)}`}`;

/** None: it is the same machine. */
export function differences(yours: Given, recorded: Given): Difference[] {
  return [
    ...inList('slots', yours.slots.map(slotText), recorded.slots.map(slotText)),
    ...inStruct('', KvmRegs, yours.regs, recorded.regs),
    ...inStruct('', KvmSregs, yours.sregs, recorded.sregs),
    ...inBytes('memory', yours.memory, recorded.memory),
    ...inArea(yours.area, recorded.area),
    ...inList('ioctls', yours.calls.map(nameOf), recorded.calls.map(nameOf)),
    ...(String(yours.calls) === String(recorded.calls) ? [] : inList('arguments', yours.calls, recorded.calls)),
  ];
}

const nameOf = (key: string) => key.split(' ')[1]!;

const inList = (what: string, yours: readonly string[], recorded: readonly string[]): Difference[] =>
  String(yours) === String(recorded) ? [] : [{ what, yours: yours.join(', '), recorded: recorded.join(', ') }];

/** By field, down to numbers. */
function inStruct(prefix: string, layout: Struct, yours: Stretches, recorded: Stretches): Difference[] {
  if (String(yours) === String(recorded)) return [];
  const [a, b] = [yours, recorded].map((stretches) => {
    const bytes = new Uint8Array(layout.size);
    spread(stretches, bytes);
    return plain(layout.over(bytes));
  });
  return inValues(prefix, a, b);
}

function inValues(name: string, yours: unknown, recorded: unknown): Difference[] {
  if (typeof yours !== 'object' || yours === null) {
    if (yours === recorded) return [];
    return [{ what: name, yours: hex(yours as number), recorded: hex(recorded as number) }];
  }
  return Object.entries(yours).flatMap(([key, value]) =>
    inValues(name === '' ? key : `${name}.${key}`, value, (recorded as Record<string, unknown>)[key]),
  );
}

/** At the first address that differs. */
function inBytes(what: string, yours: Stretches, recorded: Stretches): Difference[] {
  const at = firstDifference(yours, recorded);
  if (at === undefined) return [];
  return [{ what: `${what}[${hex(at)}]`, yours: hex(byteAt(yours, at)), recorded: hex(byteAt(recorded, at)) }];
}

/** The head of kvm_run has names; behind it are the data of an exit. */
function inArea(yours: Stretches, recorded: Stretches): Difference[] {
  const at = firstDifference(yours, recorded);
  const field = Object.entries(KvmRun.fields).find(([, [offset, { size }]]) => at! >= offset && at! < offset + size);
  return inBytes(field && field[0] !== 'exit' ? `kvm_run.${field[0]}` : 'kvm_run', yours, recorded);
}
