import { beforeAll, describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../src/abi/capabilities.ts';
import { EXIT_REASONS } from '../../src/abi/exits.ts';
import { ioctlNumber } from '../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import {
  IOAPIC_REDIRECTION,
  KvmDebugGuest,
  KvmMemoryAlias,
  KvmMemoryRegion,
  KvmUserspaceMemoryRegion2,
  RUN_EXIT_OFFSET,
  RUN_EXITS,
} from '../../src/abi/structs.ts';
import { askHeader, compilerPresent, type Fact, headerMacros } from './c-program.ts';
import { allStructs, constantFacts, ioctlFacts, ROWS, structFacts } from './facts.ts';

/** The structs of ioctls that are gone, as their documentation gave them: newer headers have dropped some. */
const HISTORIC_C = `
struct test_memory_region { __u32 slot, flags; __u64 guest_phys_addr, memory_size; };
struct test_memory_alias { __u32 slot, flags; __u64 guest_phys_addr, memory_size, target_phys_addr; };
struct test_debug_guest { __u32 enabled, pad; struct { __u32 enabled, padding; __u64 address; } breakpoints[4]; __u32 singlestep; };
`;
const HISTORIC: Fact[] = [
  ...structFacts(KvmMemoryRegion, 'struct test_memory_region'),
  ...structFacts(KvmMemoryAlias, 'struct test_memory_alias'),
  ...structFacts(KvmDebugGuest, 'struct test_debug_guest'),
  ...(
    [
      ['KVM_SET_MEMORY_REGION', '_IOW(KVMIO, 0x40, struct test_memory_region)'],
      ['KVM_SET_MEMORY_ALIAS', '_IOW(KVMIO, 0x43, struct test_memory_alias)'],
      ['KVM_DEBUG_GUEST', '_IOW(KVMIO, 0x87, struct test_debug_guest)'],
    ] as const
  ).map(([name, expression]) => ({
    key: `historic:${name}`,
    expression: `(unsigned)${expression}`,
    expected: BigInt(ioctlNumber(IOCTLS[name])),
  })),
];

/** Bit fields have no offset: set each to all ones and look at the 64 bits. */
const REDIRECTION_C = Object.keys(IOAPIC_REDIRECTION)
  .map(
    (
      field,
    ) => `{ __typeof__(((struct kvm_ioapic_state *)0)->redirtbl[0]) r; memset(&r, 0, sizeof r); r.fields.${field} = ~0;
printf("redirection:${field} %llu\\n", (unsigned long long)r.bits); }`,
  )
  .join('\n');

/** The first two members of the exit union, and where user space's registers begin. */
const UNION_FACTS: Fact[] = [
  { key: 'union:hw', expression: 'offsetof(struct kvm_run, hw)', expected: BigInt(RUN_EXIT_OFFSET) },
  { key: 'union:io', expression: 'offsetof(struct kvm_run, io)', expected: BigInt(RUN_EXIT_OFFSET) },
];

/** Names that came after Linux 6.1: a header of that age or older may lack them, and no others. */
const NEWER = new RegExp(
  [
    'USER_MEMORY_REGION2|MEMORY_ATTRIBUTES|GUEST_MEMFD|PRE_FAULT_MEMORY|MEMORY_FAULT|MEMORY_EXIT_FLAG|MEM_GUEST_MEMFD',
    'USER_MEMORY2|VM_TYPES|X86_APIC_BUS_CYCLES_NS|X86_GUEST_MODE|DIRTY_LOG_RING_WITH_BITMAP|PMU_EVENT_MASKED_EVENTS',
    'COUNTER_OFFSET|ARM_(EAGER|SUPPORTED|WRITABLE|EL2|CACHEABLE|SEA)|RISCV_MP_STATE|S390_(PROTECTED_ASYNC|USER_OPEREXEC)',
    'LOONGARCH|QUIRK_SLOT_ZAP_ALL|KVM_X86_\\w+_VM$|KVM_EXIT_TDX|SYSTEM_EVENT_TDX',
  ].join('|'),
);
const REMOVED = /KVM_(SET_MEMORY_REGION|SET_MEMORY_ALIAS|DEBUG_GUEST)$/;

const FACTS = [...allStructs().flatMap((layout) => structFacts(layout)), ...ioctlFacts(), ...constantFacts()];
const ALL = [...FACTS, ...HISTORIC, ...UNION_FACTS];
const suite = compilerPresent() ? describe : describe.skip;

suite('the tables against the installed <linux/kvm.h> (needs gcc and the kernel headers)', () => {
  let answers: Map<string, bigint>;
  let macros: Map<string, string>;
  beforeAll(() => {
    answers = askHeader(ALL, HISTORIC_C, REDIRECTION_C);
    macros = headerMacros();
  });

  it('agrees on every size, offset, number and constant that the header has', () => {
    const wrong = ALL.filter(({ key, expected }) => answers.has(key) && answers.get(key) !== expected).map(
      ({ key, expected }) => `${key}: table ${expected}, header ${answers.get(key)}`,
    );
    expect(wrong).toEqual([]);
  });

  it('was asked only about names that exist, or are known to be newer or removed', () => {
    const missing = new Set(ALL.filter(({ key }) => !answers.has(key)).map(({ macro }) => macro!));
    const unexplained = [...missing].filter((name) => !NEWER.test(name) && !REMOVED.test(name));
    expect(macros.has('KVM_CAP_DIRTY_LOG_RING_ACQ_REL') ? unexplained : []).toEqual([]);
    expect(answers.size).toBeGreaterThan(1000);
    console.log(
      `# ${answers.size} facts compared; ${missing.size} names are not in this header: ${[...missing].join(' ')}`,
    );
  });

  it('asks about every struct, at its size', () => {
    const names = allStructs().map(({ name }) => name);
    for (const name of names) expect(FACTS.some(({ key }) => key === `sizeof:${name}`)).toBe(true);
    expect(names).toContain('kvm_run');
    expect(names).toContain('kvm_vcpu_events.exception');
    expect(names.length).toBeGreaterThan(70);
  });

  it('has the bit fields of an I/O APIC redirection entry where the compiler puts them', () => {
    const expected = Object.entries(IOAPIC_REDIRECTION).map(([field, [bit, width]]) => [
      field,
      ((1n << BigInt(width)) - 1n) << BigInt(bit),
    ]);
    const found = Object.keys(IOAPIC_REDIRECTION).map((field) => [field, answers.get(`redirection:${field}`)]);
    expect(found).toEqual(expected);
  });

  it('names every exit reason of the header', () => {
    const detail = /^KVM_EXIT_(IO_(IN|OUT)|HYPERV_\w+|XEN_HCALL|HYPERCALL_\w+|ARM_SEA_FLAG\w+)$/;
    const reasons = [...macros].filter(([name]) => name.startsWith('KVM_EXIT_') && !detail.test(name));
    expect(reasons.length).toBeGreaterThan(30);
    const unnamed = reasons.filter(([name, value]) => EXIT_REASONS[Number(value)] !== name.slice('KVM_EXIT_'.length));
    expect(unnamed).toEqual([]);
  });

  it('names every capability of the header', () => {
    const capabilities = [...macros.keys()].filter((name) => name.startsWith('KVM_CAP_'));
    expect(capabilities.length).toBeGreaterThan(200);
    expect(capabilities.filter((name) => !(name in CAPABILITIES))).toEqual([]);
  });

  it('has a row for every ioctl of the header that x86 can use, or says why not', () => {
    const other = /^KVM_(S390|PPC|ARM|XEN|CREATE_SPAPR|ALLOCATE_RMA|TRACE|MEMORY_ENCRYPT|HYPERV_EVENTFD|RISCV)/;
    const withoutRow = [
      ...['KVM_GET_ONE_REG', 'KVM_SET_ONE_REG', 'KVM_GET_REG_LIST', 'KVM_DIRTY_TLB'], // not on x86 in this header's time
      ...['KVM_ASSIGN_PCI_DEVICE', 'KVM_DEASSIGN_PCI_DEVICE', 'KVM_ASSIGN_IRQ', 'KVM_ASSIGN_DEV_IRQ'], // VFIO replaced
      ...['KVM_DEASSIGN_DEV_IRQ', 'KVM_ASSIGN_SET_MSIX_NR', 'KVM_ASSIGN_SET_MSIX_ENTRY', 'KVM_ASSIGN_SET_INTX_MASK'],
      ...['KVM_SET_NR_MMU_PAGES', 'KVM_GET_NR_MMU_PAGES'], // deprecated: the kernel sizes its shadow pages itself
      'KVM_CREATE_DEVICE', // its device kinds exist on other architectures, but for VFIO
    ];
    const ioctls = [...macros].filter(([name, body]) => /^_IO[RW]*\(KVMIO/.test(body) && !name.startsWith('__'));
    expect(ioctls.length).toBeGreaterThan(100);
    const missing = ioctls.map(([name]) => name).filter((name) => !(name in IOCTLS) && !other.test(name));
    expect(missing.filter((name) => !withoutRow.includes(name))).toEqual([]);
  });
});

describe('the tables among themselves', () => {
  it('compares layouts that differ: a wrong offset would be seen', () => {
    const facts = structFacts(KvmUserspaceMemoryRegion2);
    expect(facts.find(({ key }) => key === 'offsetof:kvm_userspace_memory_region2.guest_memfd')?.expected).toBe(40n);
    expect(new Set(facts.map(({ key }) => key)).size).toBe(facts.length);
    expect(facts.every(({ macro }) => macro === 'KVM_SET_USER_MEMORY_REGION2')).toBe(true);
  });

  it('keeps every exit layout inside the union', () => {
    for (const layout of Object.values(RUN_EXITS)) expect(layout.size).toBeLessThanOrEqual(256);
  });

  it('names a capability that exists in every row that is gated', () => {
    const gates = ROWS.flatMap(([, row]) => (row.capability ? [row.capability] : []));
    expect(gates.length).toBeGreaterThan(50);
    expect(gates.filter((name) => !(name in CAPABILITIES))).toEqual([]);
  });

  it('gives no request number to two ioctls of one kind of descriptor', () => {
    for (const kind of ['system', 'vm', 'vcpu'] as const) {
      const numbers = ROWS.filter(([, row]) => row.on.includes(kind)).map(([, row]) => ioctlNumber(row));
      expect(new Set(numbers).size).toBe(numbers.length);
    }
  });
});
