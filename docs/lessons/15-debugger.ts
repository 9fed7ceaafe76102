/** Lesson 15: a debugger. How a vCPU is run for one instruction, what a breakpoint is, and who sees it. */
import { bootImage, Debugger, load, Machine, RunningMachine, structs } from 'vmlapse';

const GUEST = [
  'b90400', // mov cx, 4
  'a00680', // mov al, [0x8006]: the guest reads its own code
  '43', // 0x8006: inc bx, where the breakpoint will be
  'e2fa', // loop: back to the read
  'e6f4', // out 0xf4, al: ends the run with what was read last
];
const PLACE = 0x8006;
const hex = (value: bigint | number) => `0x${value.toString(16)}`;

// 1. A machine with its vCPU in a thread of its own. The debugger attaches before the first instruction, and holds it.
using machine = Machine.create({ memory: 2 ** 20 });
const bytes = Buffer.from(GUEST.join(''), 'hex');
bootImage(machine, load(bytes, { format: 'flat', mode: 'real', load: 0x8000, memoryMap: machine.memory.memoryMap }));
const running = await RunningMachine.start(machine);
const debug = Debugger.attach(running);
const ended = running.run();
const registers = async () => structs.KvmRegs.over((await debug.vcpu(0)).registers.regs);

// 2. Single steps: KVM_SET_GUEST_DEBUG with KVM_GUESTDBG_SINGLESTEP, and KVM_RUN comes back with KVM_EXIT_DEBUG.
for (let i = 0; i < 2; i++) {
  const { kind } = await debug.resume(['step']);
  console.log(`${kind}: next is ${hex((await debug.vcpu(0)).pc)}`);
}

// 3. A breakpoint is a byte in memory that makes the vCPU exit. It is there only while the guest runs.
await debug.setBreakpoint(BigInt(PLACE));
console.log(`set: memory has ${hex(machine.memory.read(PLACE, 1)[0]!)}`);
const first = await debug.resume();
console.log(`${first.kind}: at ${hex(first.address!)}, memory has ${hex(machine.memory.read(PLACE, 1)[0]!)}`);

// 4. To go on from a breakpoint: take it out, step over its place, put it in again.
debug.clearBreakpoint(BigInt(PLACE));
await debug.resume(['step']);
await debug.setBreakpoint(BigInt(PLACE));
await debug.resume();
console.log(`second time: bx is ${(await registers()).rbx & 0xffffn}`);

// 5. The guest has read its own code meanwhile. It is the only one that saw the byte.
console.log(`the guest read its own byte: ${((await registers()).rax & 0xffn) === 0x43n}`);

// 6. When the debugger is gone, so is all that it did.
await debug.detach();
const { reason, value } = await ended;
console.log(`${reason}, the last byte it read: ${hex(value!)}`);
await running.close();
