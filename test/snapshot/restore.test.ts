/** What a restore refuses, and how it says why: every difference in one list; nothing of a doctored state reaches KVM unmeasured. */
import { expect, it } from 'vitest';
import { explainRestore, restoreSteps } from '../../snapshot/explain.ts';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import { type RestoreOptions, restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/checkpoint.ts';
import type { CheckpointConfig, Json } from '../../snapshot/store/documents.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { CheckpointError } from '../../src/errors.ts';
import { setTracer } from '../../src/kvm/call.ts';
import { readCpuidBytes, writeCpuid } from '../../src/kvm/cpuid.ts';
import { readMsrList, writeMsrs } from '../../src/kvm/state/vcpu-state.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';
import { drive } from './driver.ts';
import { sample } from './fidelity/support.ts';
import { temporaryDirectory } from './store/support.ts';

type State = Record<string, Uint8Array>;
type Doctor = (config: { version: number; machine: Record<string, unknown>; state: State }) => void;

/** Takes a checkpoint, changes its config as `doctor` says, commits that as another, and calls `use` with its name. */
function withDoctored(doctor: Doctor, use: (store: Store, ref: string) => void, irqchip = true): void {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const { driver } = drive('kernel', {}, irqchip);
  using _ = driver;
  driver.go(20);
  using session = new CheckpointSession(driver.local, store);
  const { digest } = session.checkpoint();
  using checkpoint = store.open(digest);
  const { version, machine, state } = checkpoint.config;
  const config = {
    version,
    machine: structuredClone(machine) as Record<string, unknown>,
    state: { ...state } as State,
  };
  doctor(config);
  store.commit({
    config: { ...config, machine: config.machine as Json } as CheckpointConfig,
    runs: [],
    parent: digest,
    tags: ['doctored'],
  });
  use(store, 'doctored');
}

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
    expect(local.run({ timeoutMs: 20_000 }).reason).toBe('exit-port');
  });

/** Sets or clears a bit of CPUID.7:EBX in the state. */
const cpuid7 =
  (change: (ebx: number) => number): Doctor =>
  ({ state }) => {
    const leaves = readCpuidBytes(state['machine/cpuid']!);
    state['machine/cpuid'] = writeCpuid(
      leaves.map((leaf) => (leaf.function === 7 && leaf.index === 0 ? { ...leaf, ebx: change(leaf.ebx) >>> 0 } : leaf)),
    );
  };

/** Puts other bytes in the place of a part. */
const put =
  (part: string, bytes: Uint8Array | ((old: Uint8Array) => Uint8Array)): Doctor =>
  ({ state }) => {
    state[part] = typeof bytes === 'function' ? bytes(state[part]!) : bytes;
  };

/** Puts another value into the machine's description. */
const describeAs =
  (field: string, value: unknown): Doctor =>
  ({ machine }) => {
    machine[field] = value;
  };

const setVersion =
  (version: number): Doctor =>
  (config) => {
    config.version = version;
  };

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
});

describeKvm('the explanation of a restore', () => {
  it.each([true, false])('names the ioctls in the order in which they are made (irqchip: %s)', (irqchip) => {
    withDoctored(
      () => {},
      (store, ref) => {
        using checkpoint = store.open(ref);
        const made: string[] = [];
        setTracer(({ name }) => made.push(name));
        try {
          const { machine, load } = restoreMachine(checkpoint);
          using _machine = machine;
          using local = new LocalMachine(machine);
          load(local);
          local.settle(); // registers that were handed over are taken with the next KVM_RUN
        } finally {
          setTracer(undefined);
        }
        const state = decodeState(checkpoint.config);
        const said = restoreSteps(state)
          .map(([ioctl]) => ioctl)
          .filter((name) => name.startsWith('KVM_'));
        const changing = made.filter(
          (name) => /^KVM_(CREATE|SET|KVMCLOCK)/.test(name) && name !== 'KVM_SET_SIGNAL_MASK',
        );
        // Not made where they would change nothing: the host's own TSC frequency, a guest without kvmclock; and what goes
        // with KVM_RUN instead of by an ioctl of its own.
        const optional = [
          'KVM_SET_TSC_KHZ',
          'KVM_KVMCLOCK_CTRL',
          'KVM_SET_REGS',
          'KVM_SET_SREGS',
          'KVM_SET_SREGS2',
          'KVM_SET_VCPU_EVENTS',
        ];
        const left = said.filter((name) => changing.includes(name) || !optional.includes(name));
        expect(changing).toEqual(left);
        expect(explainRestore(state).trimEnd().split('\n')).toHaveLength(restoreSteps(state).length);
        for (const line of explainRestore(state).trimEnd().split('\n')) expect(line).toMatch(/^(KVM_\w+|\(copy\)) +\S/);
      },
      irqchip,
    );
  });
});
