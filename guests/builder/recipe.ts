/** From a guest's recipe to compiler and linker command lines. Pure. */
import type { GuestSource, Target } from '../guest.ts';

/** The C runtime, in link order. */
const RUNTIME = [
  'start.S',
  'isr.S',
  'trampoline.S',
  'paging.S',
  'user.S',
  'main.c',
  'exit.c',
  'interrupts.c',
  'paging.c',
  'serial.c',
  'printf.c',
  'string.c',
  'pic.c',
  'lapic.c',
  'smp.c',
  'user.c',
].map((name) => `runtime/${name}`);

const COMMON_FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Wno-unused-function', '-fno-pic', '-fno-pie'];

/**
 * No vector or x87 registers (the kernel may emulate ring 0, and its emulator knows little of them), no red zone
 * (interrupts use the same stack), nothing that would need a C library or a loader.
 */
const FREESTANDING_FLAGS = [
  '-ffreestanding',
  '-fno-stack-protector',
  '-fcf-protection=none',
  '-fno-asynchronous-unwind-tables',
  '-fno-strict-aliasing',
  '-fno-tree-loop-distribute-patterns',
  '-ffunction-sections',
  '-fdata-sections',
  '-mgeneral-regs-only',
  '-march=x86-64',
  '-mtune=generic',
];

const LINK_FLAGS = [
  '-nostdlib',
  '-Wl,--build-id=none',
  '-Wl,--gc-sections',
  '-Wl,-z,max-page-size=4096',
  '-Wl,-z,noseparate-code',
  '-Wl,-z,noexecstack',
];

interface TargetFlags {
  readonly compile: readonly string[];
  readonly link: readonly string[];
  readonly script?: string;
}

const FLAT: TargetFlags = { compile: ['-m32'], link: ['-m32', '-static', '-no-pie'], script: 'runtime/flat.ld' };
const LONG_COMPILE = ['-m64', '-mno-red-zone'];

const TARGETS: Record<Target, TargetFlags> = {
  'real-flat': FLAT,
  'protected-flat': FLAT,
  'long-flat': { ...FLAT, compile: ['-m64'], link: ['-m64', '-static', '-no-pie'] },
  'protected-elf': { ...FLAT, script: 'runtime/protected.ld' },
  'long-elf': { compile: LONG_COMPILE, link: ['-m64', '-static', '-no-pie'], script: 'runtime/long.ld' },
  'static-pie': { compile: [...LONG_COMPILE, '-fPIE'], link: ['-m64', '-static-pie', '-Wl,--no-dynamic-linker'] },
};

/** One source to compile. */
export interface CompileStep {
  /** Path relative to guests/. */
  readonly source: string;
  readonly flags: readonly string[];
}

/** All that is to be done for one guest. */
export interface BuildPlan {
  readonly compile: readonly CompileStep[];
  readonly linkFlags: readonly string[];
  /** Linker script relative to guests/; the linker's own where absent. */
  readonly script: string | undefined;
}

/** The plan for one guest. */
export function buildPlan({ build }: Pick<GuestSource, 'build'>): BuildPlan {
  const target = TARGETS[build.target];
  const flags = [...COMMON_FLAGS, ...FREESTANDING_FLAGS, ...target.compile];
  const defines = Object.entries(build.defines ?? {}).map(([name, value]) => `-D${name}=${value}`);
  const runtime = build.runtime ? [...RUNTIME, ...(build.pvhDoor ? ['runtime/pvh.S'] : [])] : [];
  return {
    compile: [
      ...runtime.map((source) => ({ source, flags })),
      ...build.sources.map((source) => ({ source, flags: [...flags, ...defines] })),
    ],
    linkFlags: [...LINK_FLAGS, ...target.link, ...(build.relr ? ['-Wl,-z,pack-relative-relocs'] : [])],
    script: target.script,
  };
}
