/** The life of a machine in chapters: which ioctl belongs to which, and where a lesson tells more. */

/** See the file's header. */
export interface Chapter {
  readonly title: string;
  /** Its lesson: number, and what it is called. */
  readonly lesson: readonly [number, string];
  readonly about: string;
}

type Row = readonly [title: string, lesson: Chapter['lesson'], about: string, ioctls: RegExp];

const LESSON = {
  open: [1, 'Open and ask'],
  memory: [2, 'A VM and its memory'],
  vcpu: [3, 'A vCPU and kvm_run'],
  exits: [4, 'The exit loop'],
  interrupts: [5, 'Interrupts and clock'],
  threads: [6, 'Threads and processes'],
  checkpoints: [7, 'Checkpoints'],
  debugger: [15, 'What a debugger does'],
} as const satisfies Record<string, Chapter['lesson']>;

/** The first that fits counts. */
const CHAPTERS: readonly Row[] = [
  ['Run', LESSON.exits, 'The guest runs until it needs its host. Then KVM_RUN returns and says why.', /^KVM_RUN$/],
  [
    'Open and ask',
    LESSON.open,
    'The program opens /dev/kvm and asks what this KVM is and what it can do.',
    /API_VERSION|CHECK_EXTENSION|_LIST$|(SUPPORTED|EMULATED)_.*CPUID|MCE_CAP_SUPPORTED/,
  ],
  [
    'Create the machine',
    LESSON.memory,
    'A machine is a descriptor: an address space that is still empty.',
    /CREATE_VM$|TSS_ADDR|IDENTITY_MAP|ENABLE_CAP|BOOT_CPU_ID|STATS_FD|VAPIC_ADDR|TPR_ACCESS/,
  ],
  [
    'Track what is written',
    LESSON.checkpoints,
    'KVM notes which pages the guest writes, so that a checkpoint copies only those.',
    /DIRTY/,
  ],
  [
    'Give it memory',
    LESSON.memory,
    'Memory of this process becomes memory of the guest, in slots.',
    /MEMORY|MEMFD|COALESCED_MMIO|IOEVENTFD/,
  ],
  [
    'Interrupts and time',
    LESSON.interrupts,
    'Interrupt controllers, timers and clocks, in the kernel or by hand.',
    /IRQ|PIT|LAPIC|GSI|MSI$|CLOCK|INTERRUPT|NMI$|SMI$|REINJECT|TSC_KHZ/,
  ],
  [
    'Let a thread be interrupted',
    LESSON.threads,
    'A signal brings a thread back out of KVM_RUN; it is let in only there.',
    /SIGNAL_MASK/,
  ],
  ['Debug', LESSON.debugger, 'Breakpoints and single steps.', /DEBUG_GUEST|GUEST_DEBUG|TRANSLATE/],
  [
    'A vCPU and its state',
    LESSON.vcpu,
    'A vCPU is a descriptor, a page that it shares with the kernel, and registers that are read and written.',
    /_VCPU|REGS2?$|FPU|MSR|CPUID|MP_STATE|EVENTS|XSAVE2?|XCRS|NESTED|ATTR|MCE|PMU/,
  ],
];

const OTHER: Chapter = { title: 'Other requests', lesson: LESSON.open, about: 'Requests that belong to no chapter.' };
const BY_ROW = CHAPTERS.map(([title, lesson, about]) => ({ title, lesson, about }) satisfies Chapter);

/** The chapter of an ioctl. */
export function chapterOf(name: string): Chapter {
  return BY_ROW[CHAPTERS.findIndex(([, , , ioctls]) => ioctls.test(name))] ?? OTHER;
}
