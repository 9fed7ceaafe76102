/** The description of the machine's registers, memory and threads in the formats of GDB ("Target Descriptions" in its manual). */

import { REGISTERS, type Register, type RegisterGroup, type RegisterType } from '../../debug/stops/registers.ts';
import { CR0, CR4, EFER } from '../../src/abi/registers.ts';

/** The names that GDB gives to groups that it knows. */
const FEATURES: Readonly<Record<RegisterGroup, string>> = {
  core: 'org.gnu.gdb.i386.core',
  sse: 'org.gnu.gdb.i386.sse',
  avx: 'org.gnu.gdb.i386.avx',
  segments: 'org.gnu.gdb.i386.segments',
  system: 'org.vmlapse.x86.system',
};

const TYPES: Readonly<Record<RegisterType, string>> = {
  int: 'int',
  code_ptr: 'code_ptr',
  data_ptr: 'data_ptr',
  float: 'i387_ext',
  vector: 'vec128',
  half: 'uint128',
  eflags: 'i386_eflags',
  mxcsr: 'i386_mxcsr',
  cr0: 'x86_cr0',
  cr4: 'x86_cr4',
  efer: 'x86_efer',
};

type Bits = Readonly<Record<string, number>>;

const EFLAGS: Bits = {
  CF: 0,
  '': 1,
  PF: 2,
  AF: 4,
  ZF: 6,
  SF: 7,
  TF: 8,
  IF: 9,
  DF: 10,
  OF: 11,
  NT: 14,
  RF: 16,
  VM: 17,
  AC: 18,
  VIF: 19,
  VIP: 20,
  ID: 21,
};
const MXCSR: Bits = {
  IE: 0,
  DE: 1,
  ZE: 2,
  OE: 3,
  UE: 4,
  PE: 5,
  DAZ: 6,
  IM: 7,
  DM: 8,
  ZM: 9,
  OM: 10,
  UM: 11,
  PM: 12,
  FZ: 15,
};

/** The single bits of a table of flags. */
const bitsOf = (table: Readonly<Record<string, bigint>>): Bits =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, mask]) =>
      (mask & (mask - 1n)) === 0n ? [[name, mask.toString(2).length - 1]] : [],
    ),
  );

const flags = (id: string, size: number, bits: Bits) => {
  const fields = Object.entries(bits).map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`);
  return `<flags id="${id}" size="${size}">${fields.join('')}</flags>`;
};

const vector = (id: string, type: string, count: number) => `<vector id="${id}" type="${type}" count="${count}"/>`;

const VECTOR_128 = [
  vector('v4f', 'ieee_single', 4),
  vector('v2d', 'ieee_double', 2),
  vector('v16i8', 'int8', 16),
  vector('v8i16', 'int16', 8),
  vector('v4i32', 'int32', 4),
  vector('v2i64', 'int64', 2),
  '<union id="vec128">',
  ...Object.entries({ v4_float: 'v4f', v2_double: 'v2d', v16_int8: 'v16i8', v8_int16: 'v8i16', v4_int32: 'v4i32' }).map(
    ([name, type]) => `<field name="${name}" type="${type}"/>`,
  ),
  '<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>',
].join('');

/** Types that a feature declares before its registers. */
const DECLARED: Readonly<Partial<Record<RegisterGroup, string>>> = {
  core: flags('i386_eflags', 4, EFLAGS),
  sse: `${VECTOR_128}${flags('i386_mxcsr', 4, MXCSR)}`,
  system: flags('x86_cr0', 8, bitsOf(CR0)) + flags('x86_cr4', 8, bitsOf(CR4)) + flags('x86_efer', 8, bitsOf(EFER)),
};

const registerXml = ({ name, bits, type }: Register, number: number) =>
  `<reg name="${name}" bitsize="${bits}" type="${type === 'int' ? `int${bits}` : TYPES[type]}" regnum="${number}"/>`;

function featureXml(group: RegisterGroup): string {
  const rows = REGISTERS.map((register, number) => ({ register, number })).filter(
    ({ register }) => register.group === group,
  );
  return `<feature name="${FEATURES[group]}">
${DECLARED[group] ?? ''}
${rows.map(({ register, number }) => registerXml(register, number)).join('\n')}
</feature>`;
}

/** target.xml: the 64-bit machine, whatever the guest runs now. */
export const TARGET_XML: string = `<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
<architecture>i386:x86-64</architecture>
${(Object.keys(FEATURES) as RegisterGroup[]).map(featureXml).join('\n')}
</target>
`;

/** A range of addresses. */
interface AddressRange {
  readonly start: bigint;
  readonly size: bigint;
}

const ADDRESSES = 1n << 64n;

const memoryXml = (type: string, start: bigint, size: bigint) =>
  `<memory type="${type}" start="0x${start.toString(16)}" length="0x${size.toString(16)}"/>`;

/**
 * The memory map: ROM, in which a debugger then uses hardware breakpoints, and all else. A debugger's addresses are linear and it
 * reads the map once, so nothing is left out that page tables could map later.
 */
export function memoryMapXml(roms: readonly AddressRange[]): string {
  const rows: string[] = [];
  let at = 0n;
  for (const { start, size } of roms.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    if (start < at) continue;
    if (start > at) rows.push(memoryXml('ram', at, start - at));
    rows.push(memoryXml('rom', start, size));
    at = start + size;
  }
  // two rows: the length of the whole space has 65 bits
  if (at === 0n) rows.push(memoryXml('ram', 0n, ADDRESSES / 2n), memoryXml('ram', ADDRESSES / 2n, ADDRESSES / 2n));
  else rows.push(memoryXml('ram', at, ADDRESSES - at));
  return `<?xml version="1.0"?>
<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" "http://sourceware.org/gdb/gdb-memory-map.dtd">
<memory-map>
${rows.join('\n')}
</memory-map>
`;
}

/** A thread for the list. */
interface ThreadRow {
  readonly id: string;
  readonly name: string;
  readonly core: number;
  readonly about: string;
}

/** The list of threads. */
export const threadsXml = (rows: readonly ThreadRow[]): string =>
  `<?xml version="1.0"?>
<threads>
${rows.map(({ id, name, core, about }) => `<thread id="${id}" core="${core}" name="${name}">${about}</thread>`).join('\n')}
</threads>
`;
