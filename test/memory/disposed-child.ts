/** Uses a machine and its parts after they were disposed of, and prints how each use ends: a line of JSON each. */
import { DirtyTracker } from '../../snapshot/dirty-tracker.ts';
import { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';

const machine = Machine.create({ memory: 2 ** 20 });
machine.addRom(0xffff_0000, new Uint8Array(4096));
machine.setBoot({ mode: 'real', rip: 0x1000n, cs: { selector: 0, base: 0 } }, []);
machine.memory.write(0x1000, Uint8Array.of(0xb0, 0x01, 0xe6, 0xf4)); // mov al, 1; out 0xf4, al
const { memory, kvm, vm } = machine;
const { mapping } = memory.regions[0]!;
const local = new LocalMachine(machine);
local.run();
const { vcpu } = local;
const tracker = new DirtyTracker(machine);
tracker.syncDirtyLog(false);
tracker.syncDirtyLog(false);

tracker[Symbol.dispose]();
local[Symbol.dispose]();
machine[Symbol.dispose]();

const USES: Record<string, () => unknown> = {
  read: () => memory.read(0, 16),
  readInto: () => memory.readInto(0, new Uint8Array(16)),
  readUint: () => memory.readUint(0, 8),
  view: () => memory.view(0, 16),
  write: () => memory.write(0, Uint8Array.of(1)),
  zero: () => memory.zero(0, 16),
  residentRuns: () => [...memory.residentRuns(memory.regions[0]!)],
  window: () => mapping.window(0),
  bytes: () => mapping.bytes,
  address: () => mapping.address,
  advise: () => mapping.advise(0, 4096, 4),
  handle: () => memory.handle,
  roms: () => machine.roms.map(({ bytes }) => bytes[0]),
  getRegs: () => vcpu.getRegs(),
  vcpuRun: () => vcpu.run(),
  area: () => vcpu.area,
  run: () => local.run(),
  save: () => local.finishSave(),
  createVcpu: () => machine.createVcpu(1),
  dirtyLog: () => vm.getDirtyLog(0, mapping),
  setDirtyLogging: () => machine.setDirtyLogging(true),
  checkExtension: () => kvm.checkExtension('KVM_CAP_MAX_VCPUS'),
  syncDirtyLog: () => tracker.syncDirtyLog(true),
};

for (const [use, action] of Object.entries(USES)) {
  try {
    action();
    console.log(JSON.stringify([use, 'nothing']));
  } catch (error) {
    const { name, code } = error as { name: string; code: string };
    console.log(JSON.stringify([use, `${name} ${code}`]));
  }
}
console.log(JSON.stringify(['pending', tracker.pending.length > 0 ? 'nothing' : 'gone']));
