/** Every struct layout, in one place to import from. Checked against <linux/kvm.h> by test/abi/layout.test.ts. */
export * from './structs/irq.ts';
export * from './structs/msr-cpuid.ts';
export * from './structs/registers.ts';
export * from './structs/run.ts';
export * from './structs/vcpu.ts';
export * from './structs/vm.ts';
