/** Lesson 10: a second processor. It waits until the first one sends it INIT and SIPI through the local APIC. */
import { bootImage, Kvm, load, Machine, RunningMachine, structs } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

const MP_STATES = ['runnable', 'uninitialized', 'init received', 'halted', 'sipi received'];

// 1. With the kernel's interrupt controllers, only vCPU 0 is runnable. KVM keeps the others back: their state says so.
{
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  vm.setTssAddr(0xfeff_d000);
  vm.createIrqchip();
  using first = vm.createVcpu(0, kvm.getVcpuMmapSize());
  using second = vm.createVcpu(1, kvm.getVcpuMmapSize());
  for (const vcpu of [first, second]) console.log(`vCPU ${vcpu.id} is ${MP_STATES[vcpu.getMpState()]}`);
}

// 2. The guest "smp" starts the others: it writes to the APIC's interrupt command register, first INIT (0x4500), then
//    SIPI (0x4600 plus the page that holds the 16-bit code to start with). KVM does the rest; there is no exit for it.
using machine = Machine.create({ memory: 16 * 2 ** 20, cpus: 2 });
bootImage(machine, load(readGuest('smp-2'), { memoryMap: machine.memory.memoryMap }));
let output = '';
const serial = (bytes: Uint8Array) => {
  output += Buffer.from(bytes);
};
const running = await RunningMachine.start(machine, { serial });

// 3. Each vCPU has a thread that created it. State is asked of that thread; a paused one answers at once.
const stateOf = async (id: number) => {
  const regs = structs.KvmRegs.over(await running.threads[id]!.call('regs', undefined));
  return `vCPU ${id}: rip 0x${regs.rip.toString(16)}`;
};
console.log(await stateOf(0), await stateOf(1));

const { reason, value } = await running.run();
console.log(output.trim());
console.log(`the run ended by ${reason} with ${value}`);
console.log(`vCPU 1 has left its reset vector: ${!(await stateOf(1)).endsWith('0xfff0')}`);
await running.close();
