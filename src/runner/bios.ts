/** The exit loop's hook for calls of the BIOS: lends the services the vCPU, the bus and the disks of this thread. */
import { KvmPicState } from '../abi/structs.ts';
import type { BiosHost } from '../bios/call.ts';
import { isBiosCall, serveBios } from '../bios/serve.ts';
import type { Bus } from '../devices/bus.ts';
import type { DeviceHost } from '../devices/device.ts';
import type { Pics } from '../devices/pic/pair.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { openPics } from '../machine/user-chips.ts';
import type { RunHooks } from './loop.ts';

/** What the hook works with. */
export interface BiosOptions {
  readonly machine: Machine;
  readonly vcpu: Vcpu;
  readonly bus: Bus;
  readonly output: DeviceHost['output'];
  /** Receives each call in words. */
  readonly trace?: ((text: string) => void) | undefined;
  /** Milliseconds since 1970. Default: the host's clock. */
  readonly now?: (() => number) | undefined;
}

/** The hook. */
export function createBios(options: BiosOptions): Pick<RunHooks, 'bios'> {
  const { machine, vcpu, bus, output, trace, now = Date.now } = options;
  const said = new Set<string>();
  const pics = openPics(machine);
  const host: BiosHost = {
    memory: machine.memory,
    portIn: (port, width) => bus.portIn(port, width),
    portOut: (port, width, value) => void bus.portOut(port, width, value),
    print: (bytes) => output('teletype', bytes),
    note(kind, text) {
      if (said.has(kind)) return;
      said.add(kind);
      output('notes', Buffer.from(`${text}\n`));
    },
    disk: (index) => machine.disks.list[index],
    inService: (irq) => ((servedLines(machine, pics) >> irq) & 1) === 1,
    now,
  };
  return {
    bios() {
      const sregs = vcpu.getSregs();
      if (!isBiosCall(sregs)) return undefined;
      const regs = vcpu.getRegs();
      const { end, segmentsChanged, text } = serveBios(host, regs, sregs);
      vcpu.setRegs(regs);
      if (segmentsChanged) vcpu.setSregs(sregs);
      trace?.(text());
      return end;
    },
  };
}

/** The in-service register of the first 8259. */
function servedLines({ config, vm }: Machine, pics: Pics | undefined): number {
  if (!config.irqchip) return pics?.inService() ?? 0;
  return KvmPicState.over(vm.getIrqchip(0).chip).isr;
}
