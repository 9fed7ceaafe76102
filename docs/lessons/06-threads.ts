/** Lesson 6: vCPU ioctls belong to one thread, VM ioctls to one process; and how a running vCPU is stopped. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bootImage, load, Machine, RunningMachine, SymbolTable, structs, Vm } from 'vmlapse';
import { readGuest } from 'vmlapse/guests';

if (process.argv[2] === 'child') askFromAnotherProcess();
else await main();

async function main(): Promise<void> {
  using machine = Machine.create({ memory: 16 * 2 ** 20 });
  const image = load(readGuest('ring3-writer'), { memoryMap: machine.memory.memoryMap });
  bootImage(machine, image);
  const counter = Number(new SymbolTable(image.symbols).byName('writer_writes')!.address);
  const writes = () => machine.memory.readUint(counter, 8);

  // 1. The guest counts in memory and never exits. Its vCPU sits in KVM_RUN in a thread of its own; this one is free.
  const running = await RunningMachine.start(machine);
  const result = running.run();
  while (writes() === 0n) await sleep(1);
  console.log('the guest is writing, and this thread has the time to say so');

  // 2. A pause is a word in shared memory and a signal that brings KVM_RUN back.
  running.pause();
  const before = writes();
  await sleep(20);
  console.log(`paused: ${writes() - before} writes in 20 ms`);

  // 3. Registers are read by the vCPU's own thread, between two KVM_RUNs, and sent here.
  const regs = structs.KvmRegs.over(await running.threads[0]!.call('regs', undefined));
  console.log(`interrupts are ${regs.rflags & 0x200n ? 'on' : 'off'} in the guest`);

  running.resume();
  while (writes() === before) await sleep(1);
  console.log('resumed: it writes again');
  running.stop();
  console.log(`the run ended: ${(await result).reason}`);
  await running.close();

  // 4. The VM's descriptor can be handed to another process, but the VM cannot.
  const stdio = ['ignore', 'inherit', 'inherit', machine.vm.fd.number] as const;
  spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'child'], { stdio: [...stdio] });
}

/** Descriptor 3 is the VM of the process that started this one. */
function askFromAnotherProcess(): void {
  try {
    Vm.borrow(3).getClock();
  } catch (error) {
    console.log(`from another process: ${(error as Error).message}`);
  }
}
