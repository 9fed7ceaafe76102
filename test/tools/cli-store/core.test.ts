/** Cores of guests with other addresses than the physical ones, and of 32-bit guests, as gdb sees them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { KvmRegs } from '../../../src/abi/structs.ts';
import { describeKvm, hostKind } from '../../support/kvm.ts';
import { cli, scratch } from '../cli/cli.ts';

/** A kernel at -2 GiB: entered at its physical address in 1 MiB, it maps itself high, jumps there and writes. */
const LONG = `
        .section .boot, "ax"
        .globl _start
_start: lea     pdpt(%rip), %rax
        lea     pml4(%rip), %rbx
        mov     %cr3, %rcx
        mov     (%rcx), %rdx
        mov     %rdx, (%rbx)
        or      $3, %rax
        mov     %rax, 511*8(%rbx)
        lea     pd(%rip), %rax
        or      $3, %rax
        lea     pdpt(%rip), %rcx
        mov     %rax, 510*8(%rcx)
        lea     pd(%rip), %rcx
        movq    $0x83, (%rcx)
        mov     %rbx, %cr3
        mov     $high, %rax
        jmp     *%rax
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
pd:     .skip   4096
        .text
        .globl  high, answer
high:   movabs  $answer, %rbx
        movq    $0x1234, (%rbx)
        cli
        hlt
        jmp     .
        .data
answer: .quad   0
`;

/** The same in 32 bits, at 3 GiB, without a mapping at the physical addresses. */
const LEGACY = `
        .code32
        .section .boot, "ax"
        .globl _start
_start: movl    $0x83, pd
        movl    $0x83, pd + 0xc00
        mov     $pd, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x10, %eax
        mov     %eax, %cr4
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        mov     $high, %eax
        jmp     *%eax
        .balign 4096
pd:     .skip   4096
        .text
        .globl  high, answer
high:   movl    $0, pd + 0xc0000000
        mov     %cr3, %eax
        mov     %eax, %cr3
        movl    $0x1234, answer
        cli
        hlt
        jmp     .
        .data
answer: .quad   0
`;

const script = (high: string) => `
ENTRY(_start)
PHDRS { boot PT_LOAD FLAGS(7); text PT_LOAD FLAGS(5); data PT_LOAD FLAGS(6); }
SECTIONS {
  . = 0x100000; .boot : { *(.boot) } :boot
  . += ${high};
  . = ALIGN(4096); .text : AT(ADDR(.text) - ${high}) { *(.text) } :text
  . = ALIGN(4096); .data : AT(ADDR(.data) - ${high}) { *(.data) } :data
  /DISCARD/ : { *(.note*) }
}
`;

interface Kind {
  readonly name: string;
  readonly source: string;
  readonly high: string;
  readonly as: string;
  readonly ld: string;
  readonly pc: string;
}
const KINDS: readonly Kind[] = [
  { name: 'long mode', source: LONG, high: '0xffffffff80000000', as: '--64', ld: 'elf_x86_64', pc: 'rip' },
  { name: '32-bit paging', source: LEGACY, high: '0xc0000000', as: '--32', ld: 'elf_i386', pc: 'eip' },
];

const missing = ['gdb', 'as', 'ld'].filter((tool) => !existsSync(`/usr/bin/${tool}`));
const reason = missing.length > 0 ? ` [skipped: no ${missing.join(' and no ')} here]` : '';

/** Runs a guest to its end, and has gdb look at the core of that moment. */
async function debug(file: string, folder: string, ...commands: string[]) {
  const store = ['--store', `${folder}/store`];
  await cli(['run', '-q', ...store, '--checkpoint-at', 'end', file]);
  const { stdout: said, status } = await cli(['export', 'latest', ...store, '--elf', `${folder}/core`]);
  expect(status).toBe(0);
  using opened = openStore(`${folder}/store`);
  using checkpoint = opened.open('latest');
  const { rip, rbx } = KvmRegs.over(decodeState(checkpoint.config).vcpus[0]!.regs!);
  const arguments_ = ['-batch', '-nx', ...commands.flatMap((command) => ['-ex', command]), file, `${folder}/core`];
  const { stdout, stderr } = spawnSync('gdb', arguments_, { encoding: 'utf8' });
  expect(stderr).not.toMatch(/Unexpected size|not a core|different/);
  return { said, stdout, rip: `0x${rip.toString(16)}`, rbx: `0x${BigInt.asUintN(32, rbx).toString(16)}` };
}

describeKvm('a core', () => {
  const test = reason ? it.skip : it;
  for (const { name, source, high, as, ld, pc } of KINDS) {
    // PVM ends a guest that turns on paging outside long mode.
    const runs = name === 'long mode' || hostKind !== 'PVM';
    (runs ? test : it.skip)(`of a guest at its own addresses by ${name} opens in gdb${reason}`, async () => {
      using folder = scratch();
      writeFileSync(folder.file('guest.S'), source);
      writeFileSync(folder.file('guest.ld'), script(high));
      const [object, file] = [folder.file('guest.o'), folder.file('guest.elf')];
      execFileSync('as', [as, '-o', object, folder.file('guest.S')]);
      const layout = ['-T', folder.file('guest.ld'), '-z', 'max-page-size=4096', '-z', 'noexecstack'];
      execFileSync('ld', ['-m', ld, ...layout, '-o', file, object], { stdio: 'pipe' });
      const { stdout, rip } = await debug(file, folder.path, 'p/x *(int*)&answer', `p/x $${pc}`, 'info symbol $pc');
      expect(stdout).toContain('$1 = 0x1234\n');
      expect(stdout).toContain(`$2 = ${rip}\n`);
      expect(stdout).toContain('high + ');
    });
  }

  test(`of a guest in protected mode has 32-bit registers${reason}`, async () => {
    using folder = scratch();
    const file = guestPath('hello-protected');
    const { stdout, rip, rbx } = await debug(file, folder.path, 'p/x $eip', 'p/x $ebx', 'p/x $cs', 'info float');
    expect(stdout).toContain(`$1 = ${rip}\n$2 = ${rbx}\n$3 = 0x8\n`);
    expect(stdout).toMatch(/Control Word: +0x037f/);
  });
});
