/** What a restore refuses, and how it says why: every difference in one list; nothing of a doctored state reaches KVM unmeasured. */
import { expect, it } from 'vitest';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { refuseLarge } from '../../snapshot/large.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import type { RestoreOptions } from '../../snapshot/restore-options.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { type CpuidWord, FEATURE_WORDS } from '../../src/abi/cpu-features.ts';
import { CheckpointError } from '../../src/errors.ts';
import { type CpuidLeaf, readCpuidBytes, writeCpuid } from '../../src/kvm/cpuid.ts';
import { readMsrList, writeMsrs } from '../../src/kvm/msr-list.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';
import { scaled } from '../support/time.ts';
import { type Doctor, describeAs, put, setVersion, withDoctored } from './doctored.ts';
import { sample } from './fidelity/support.ts';

/** Brings a checkpoint back as one machine, or as a fork. */
const WAYS = {
  restore: restoreMachine,
  fork: (checkpoint: Checkpoint, options?: RestoreOptions) => {
    using template = new ForkTemplate(checkpoint, options);
    return template.fork();
  },
};

const refusal = (doctor: Doctor, force = false, bringBack = WAYS.restore): CheckpointError => {
  let error: CheckpointError | undefined;
  const before = openDescriptors();
  withDoctored(doctor, (store, ref) => {
    using checkpoint = store.open(ref);
    error = thrown(CheckpointError, () => bringBack(checkpoint, { force }));
  });
  expect(openDescriptors()).toEqual(before);
  return error!;
};

const restored = (doctor: Doctor, force = false): void =>
  withDoctored(doctor, (store, ref) => {
    using checkpoint = store.open(ref);
    const { machine, load } = restoreMachine(checkpoint, { force });
    using _machine = machine;
    using local = new LocalMachine(machine);
    load(local);
    expect(local.run({ timeoutMs: scaled(20_000) }).reason).toBe('exit-port');
  });

/** Changes a register of a CPUID leaf in the state. */
const cpuidWord =
  ({ leaf, index, register }: CpuidWord, change: (word: number) => number): Doctor =>
  ({ state }) => {
    const leaves = readCpuidBytes(state['machine/cpuid']!);
    const isIt = (it: CpuidLeaf) => it.function === leaf && it.index === index;
    const rest = leaves.filter((it) => !isIt(it));
    const old = leaves.find(isIt) ?? { function: leaf, index, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 };
    state['machine/cpuid'] = writeCpuid([...rest, { ...old, [register]: change(old[register]) >>> 0 }]);
  };

const cpuid7 = (change: (ebx: number) => number) => cpuidWord({ leaf: 7, index: 0, register: 'ebx' }, change);

/** A feature no processor that runs this has and keeps from guests: bit 13 is a quirk flag, bit 22 reserved. */
const NOBODY_HAS = 1 << 22;

describeKvm('a restore refuses', () => {
  it('a processor feature this host lacks, unless forced', () => {
    const { code, message, details } = refusal(cpuid7((ebx) => ebx | NOBODY_HAS));
    expect(code).toBe('INCOMPATIBLE');
    expect(message).toContain('this host lacks CPUID 0x7.0:EBX bits 22');
    expect(message).toContain('--force');
    expect(details.differences).toHaveLength(1);
    restored(
      cpuid7((ebx) => ebx | NOBODY_HAS),
      true,
    );
  });

  it.each(FEATURE_WORDS)('a feature in CPUID $leaf.$index $register that this host lacks', (word) => {
    let lacking = 0;
    const doctor = cpuidWord(word, (bits) => {
      lacking = ~bits & (bits + 1);
      return bits | lacking;
    });
    const bit = () => 31 - Math.clz32(lacking);
    expect(refusal(doctor).message).toContain(`${word.register.toUpperCase()} bits ${bit()}`);
  });

  it('nothing, when the guest was given less than this host has', () => {
    restored(cpuid7((ebx) => ebx & ~1));
  });

  it('another kind of KVM, unless forced', () => {
    const other: Doctor = ({ machine }) => {
      machine.host = { ...(machine.host as object), kvm: 'Z80' };
    };
    expect(refusal(other).message).toContain('KVM of the kind Z80');
    restored(other, true);
  });

  it('a used MSR that this host does not save, and names it', () => {
    const extra =
      (value: bigint): Doctor =>
      ({ state }) => {
        const list = [...readMsrList(state['vcpu/0/msrs']!), { index: 0x4b56_4dff, value }];
        state['vcpu/0/msrs'] = new Uint8Array(8 + 16 * list.length);
        writeMsrs(state['vcpu/0/msrs'], list);
      };
    expect(refusal(extra(1n)).message).toContain('0x4b564dff');
    restored(extra(0n));
  });

  it('nothing, when an MSR is missing: it keeps the value of a new vCPU', () => {
    restored(({ state }) => {
      const list = readMsrList(state['vcpu/0/msrs']!).slice(1);
      state['vcpu/0/msrs'] = new Uint8Array(8 + 16 * list.length);
      writeMsrs(state['vcpu/0/msrs'], list);
    });
  });

  it('everything that differs at once', () => {
    const { details } = refusal((config) => {
      cpuid7((ebx) => ebx | NOBODY_HAS)(config);
      config.state['device/flux'] = new Uint8Array(4);
      delete config.state['device/cmos'];
      delete config.state['vcpu/0/lapic'];
      delete config.state['vm/ioapic'];
    });
    const list = (details.differences as string[]).join('\n');
    for (const said of ['CPUID', 'device flux', 'device cmos', 'no lapic', 'state of ioapic'])
      expect(list).toContain(said);
  });

  const FATAL: readonly { readonly name: string; readonly doctor: Doctor; readonly code: string }[] = [
    {
      name: 'an unknown device',
      code: 'INCOMPATIBLE',
      doctor: put('device/flux', new Uint8Array(4)),
    },
    {
      name: 'a device of another size',
      code: 'INCOMPATIBLE',
      doctor: put('device/com1', new Uint8Array(3)),
    },
    {
      name: 'a version of the state it does not know',
      code: 'BAD_STATE',
      doctor: setVersion(99),
    },
    { name: 'no CPUID', code: 'BAD_STATE', doctor: ({ state }) => void delete state['machine/cpuid'] },
    {
      name: 'half a CPUID',
      code: 'BAD_STATE',
      doctor: put('machine/cpuid', (cpuid) => cpuid.slice(0, 99)),
    },
    {
      name: 'a CPUID of a byte',
      code: 'BAD_STATE',
      doctor: put('machine/cpuid', new Uint8Array(1)),
    },
    { name: 'no registers', code: 'BAD_STATE', doctor: ({ state }) => void delete state['vcpu/0/regs'] },
    {
      name: 'registers of 10 bytes',
      code: 'BAD_STATE',
      doctor: put('vcpu/0/regs', new Uint8Array(10)),
    },
    {
      name: 'too many registers',
      code: 'BAD_STATE',
      doctor: put('vcpu/0/regs', new Uint8Array(1000)),
    },
    {
      name: 'an XSAVE area of a page and a byte less',
      code: 'BAD_STATE',
      doctor: put('vcpu/0/xsave', new Uint8Array(4095)),
    },
    {
      name: 'an XSAVE area this host has no room for',
      code: 'INCOMPATIBLE',
      doctor: put('vcpu/0/xsave', new Uint8Array(65_536)),
    },
    {
      name: 'MSRs of 3 bytes',
      code: 'BAD_STATE',
      doctor: put('vcpu/0/msrs', new Uint8Array(3)),
    },
    {
      name: 'four milliard MSRs',
      code: 'BAD_STATE',
      doctor: put('vcpu/0/msrs', new Uint8Array(24).fill(0xff)),
    },
    {
      name: 'an I/O APIC of a byte',
      code: 'BAD_STATE',
      doctor: put('vm/ioapic', new Uint8Array(1)),
    },
    {
      name: 'a clock of nothing',
      code: 'BAD_STATE',
      doctor: put('vm/clock', new Uint8Array(0)),
    },
    ...[5, 'x', null, [], { path: 5, sha256: 1 }, { path: '/a', sha256: 'b', format: 'elf', load: -1 }].map(
      (guest) => ({
        name: `a guest image of ${JSON.stringify(guest)}`,
        code: 'BAD_STATE',
        doctor: describeAs('guest', guest),
      }),
    ),
    { name: 'a petabyte of RAM', code: 'BAD_STATE', doctor: describeAs('memory', 2 ** 50) },
    { name: 'RAM of a page and a half', code: 'BAD_STATE', doctor: describeAs('memory', 6144) },
    { name: 'less RAM than it has pages', code: 'BAD_STATE', doctor: describeAs('memory', 2 ** 20) },
    { name: 'RAM that is no number', code: 'BAD_STATE', doctor: describeAs('memory', '16M') },
    { name: 'no vCPU', code: 'BAD_STATE', doctor: describeAs('cpus', 0) },
    { name: 'a vCPU without state', code: 'BAD_STATE', doctor: describeAs('cpus', 2) },
    { name: 'a million vCPUs', code: 'BAD_STATE', doctor: describeAs('cpus', 1e6) },
    { name: 'no host', code: 'BAD_STATE', doctor: describeAs('host', null) },
    {
      name: 'a host that speaks to the terminal',
      code: 'BAD_STATE',
      doctor: describeAs('host', { kvm: '\x1b[2J', tscKhz: 1 }),
    },
    { name: 'a part with such a name', code: 'BAD_STATE', doctor: put('device/\x1b[2J', new Uint8Array(1)) },
    { name: 'interrupt lines of a byte', code: 'BAD_STATE', doctor: put('machine/lines', new Uint8Array(1)) },
    {
      name: 'a ROM nowhere',
      code: 'BAD_STATE',
      doctor: put('rom/0xzz', new Uint8Array(4096)),
    },
    {
      name: 'a ROM in RAM',
      code: 'BAD_STATE',
      doctor: put('rom/0x1000', new Uint8Array(4096)),
    },
  ];

  it.each(sample(FATAL, 8))('$name, forced or not', ({ doctor, code }) => {
    expect(refusal(doctor).code).toBe(code);
    expect(refusal(doctor, true).code).toBe(code);
    expect(refusal(doctor, true, WAYS.fork).code).toBe(code);
  });

  it('parts with the names of what every object has are passed over', () => {
    const odd: Doctor = ({ state }) => {
      for (const part of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
        for (const name of [`vcpu/0/${part}`, `vm/${part}`]) state[name] = Uint8Array.of(1);
      }
    };
    withDoctored(odd, (store, ref) => {
      using checkpoint = store.open(ref);
      expect(Object.keys(decodeState(checkpoint.config).vcpus[0]!)).not.toContain('constructor');
      using _machine = restoreMachine(checkpoint).machine;
    });
  });

  it('more than a host is likely to be meant for, before anything is made', () => {
    const copies: Doctor = ({ machine, state }) => {
      machine.cpus = 1000;
      const parts = Object.entries(state).filter(([name]) => name.startsWith('vcpu/0/') && !/xsave|lapic/.test(name));
      for (let id = 1; id < 1000; id++)
        for (const [name, bytes] of parts) state[name.replace('/0/', `/${id}/`)] = bytes;
    };
    const ways: readonly (readonly [Doctor, RegExp])[] = [
      [describeAs('memory', 2 ** 40), /1024 GiB of RAM where this host has .*--allow-large/],
      [copies, /1000 threads for its vCPUs, about 15\.6 GiB; .*--allow-large/],
    ];
    for (const [doctor, said] of ways) {
      for (const way of [WAYS.restore, WAYS.fork]) {
        const error = refusal(doctor, true, way);
        expect(error.code).toBe('TOO_LARGE');
        expect(error.message).toMatch(said);
      }
    }
    refuseLarge({ cpus: 1000, memory: 2 ** 40 }, true);
    refuseLarge({ cpus: 64, memory: 2 ** 30 }, false, 2 ** 30);
  });
});
