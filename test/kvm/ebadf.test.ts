import { describe, expect, it } from 'vitest';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import {
  KvmClockData,
  KvmDebugregs,
  KvmFpu,
  KvmGuestDebug,
  KvmIrqchip,
  KvmLapicState,
  KvmPitState2,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
  KvmVcpuEvents,
  KvmXcrs,
} from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { EBADF, ENOTTY, Fd } from '../../src/ffi/fd.ts';
import { createMemfd, Mapping } from '../../src/ffi/mapping.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { Vcpu } from '../../src/kvm/vcpu.ts';
import { Vm } from '../../src/kvm/vm.ts';
import { thrown } from '../support/thrown.ts';

type Call<T> = readonly [ioctl: string, call: (target: T) => unknown];

const SYSTEM: Record<string, Call<Kvm>> = {
  getApiVersion: ['KVM_GET_API_VERSION', (k) => k.getApiVersion()],
  createVm: ['KVM_CREATE_VM', (k) => k.createVm()],
  checkExtension: ['KVM_CHECK_EXTENSION', (k) => k.checkExtension('KVM_CAP_IRQCHIP')],
  getVcpuMmapSize: ['KVM_GET_VCPU_MMAP_SIZE', (k) => k.getVcpuMmapSize()],
  getMsrIndexList: ['KVM_GET_MSR_INDEX_LIST', (k) => k.getMsrIndexList()],
  getMsrFeatureIndexList: ['KVM_GET_MSR_FEATURE_INDEX_LIST', (k) => k.getMsrFeatureIndexList()],
  getSupportedCpuid: ['KVM_GET_SUPPORTED_CPUID', (k) => k.getSupportedCpuid()],
  getEmulatedCpuid: ['KVM_GET_EMULATED_CPUID', (k) => k.getEmulatedCpuid()],
};

const page = Mapping.anonymous(4096);
const slot = { slot: 0, flags: 0, gpa: 0, size: 4096, mapping: page };

const VM: Record<string, Call<Vm>> = {
  checkExtension: ['KVM_CHECK_EXTENSION', (v) => v.checkExtension('KVM_CAP_IRQCHIP')],
  createVcpu: ['KVM_CREATE_VCPU', (v) => v.createVcpu(0, 4096)],
  setUserMemoryRegion: ['KVM_SET_USER_MEMORY_REGION', (v) => v.setUserMemoryRegion(slot)],
  addMemoryAlias: ['KVM_SET_USER_MEMORY_REGION', (v) => v.addMemoryAlias(1, 0x1000, slot, 0, 4096)],
  setMemoryRegion: ['KVM_SET_MEMORY_REGION', (v) => v.setMemoryRegion()],
  setMemoryAlias: ['KVM_SET_MEMORY_ALIAS', (v) => v.setMemoryAlias()],
  getDirtyLog: ['KVM_GET_DIRTY_LOG', (v) => v.getDirtyLog(0, page)],
  clearDirtyLog: ['KVM_CLEAR_DIRTY_LOG', (v) => v.clearDirtyLog(0, 0, 64, page)],
  setTssAddr: ['KVM_SET_TSS_ADDR', (v) => v.setTssAddr(0xfeff_d000)],
  setIdentityMapAddr: ['KVM_SET_IDENTITY_MAP_ADDR', (v) => v.setIdentityMapAddr(0xfeff_c000)],
  createIrqchip: ['KVM_CREATE_IRQCHIP', (v) => v.createIrqchip()],
  createPit2: ['KVM_CREATE_PIT2', (v) => v.createPit2()],
  irqLine: ['KVM_IRQ_LINE', (v) => v.irqLine(4, 1)],
  signalMsi: ['KVM_SIGNAL_MSI', (v) => v.signalMsi(0xfee0_0000n, 0x30)],
  irqfd: ['KVM_IRQFD', (v) => v.irqfd(Fd.borrow(-1), 4)],
  getIrqchip: ['KVM_GET_IRQCHIP', (v) => v.getIrqchip(0)],
  setIrqchip: ['KVM_SET_IRQCHIP', (v) => v.setIrqchip(KvmIrqchip.alloc())],
  getPit2: ['KVM_GET_PIT2', (v) => v.getPit2()],
  setPit2: ['KVM_SET_PIT2', (v) => v.setPit2(KvmPitState2.alloc())],
  reinjectControl: ['KVM_REINJECT_CONTROL', (v) => v.reinjectControl(true)],
  getClock: ['KVM_GET_CLOCK', (v) => v.getClock()],
  setClock: ['KVM_SET_CLOCK', (v) => v.setClock(KvmClockData.alloc())],
  enableCap: ['KVM_ENABLE_CAP', (v) => v.enableCap('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', 1n)],
  setBootCpuId: ['KVM_SET_BOOT_CPU_ID', (v) => v.setBootCpuId(0)],
  getTscKhz: ['KVM_GET_TSC_KHZ', (v) => v.getTscKhz()],
  resetDirtyRings: ['KVM_RESET_DIRTY_RINGS', (v) => v.resetDirtyRings()],
};

const VCPU: Record<string, Call<Vcpu>> = {
  run: ['KVM_RUN', (v) => v.run()],
  getRegs: ['KVM_GET_REGS', (v) => v.getRegs()],
  setRegs: ['KVM_SET_REGS', (v) => v.setRegs(KvmRegs.alloc())],
  getSregs: ['KVM_GET_SREGS', (v) => v.getSregs()],
  setSregs: ['KVM_SET_SREGS', (v) => v.setSregs(KvmSregs.alloc())],
  getSregs2: ['KVM_GET_SREGS2', (v) => v.getSregs2()],
  setSregs2: ['KVM_SET_SREGS2', (v) => v.setSregs2(KvmSregs2.alloc())],
  getFpu: ['KVM_GET_FPU', (v) => v.getFpu()],
  setFpu: ['KVM_SET_FPU', (v) => v.setFpu(KvmFpu.alloc())],
  getXsave: ['KVM_GET_XSAVE', (v) => v.getXsave()],
  setXsave: ['KVM_SET_XSAVE', (v) => v.setXsave(new Uint8Array(4096))],
  getXcrs: ['KVM_GET_XCRS', (v) => v.getXcrs()],
  setXcrs: ['KVM_SET_XCRS', (v) => v.setXcrs(KvmXcrs.alloc())],
  getDebugregs: ['KVM_GET_DEBUGREGS', (v) => v.getDebugregs()],
  setDebugregs: ['KVM_SET_DEBUGREGS', (v) => v.setDebugregs(KvmDebugregs.alloc())],
  getLapic: ['KVM_GET_LAPIC', (v) => v.getLapic()],
  setLapic: ['KVM_SET_LAPIC', (v) => v.setLapic(KvmLapicState.alloc())],
  getMpState: ['KVM_GET_MP_STATE', (v) => v.getMpState()],
  setMpState: ['KVM_SET_MP_STATE', (v) => v.setMpState(0)],
  getVcpuEvents: ['KVM_GET_VCPU_EVENTS', (v) => v.getVcpuEvents()],
  setVcpuEvents: ['KVM_SET_VCPU_EVENTS', (v) => v.setVcpuEvents(KvmVcpuEvents.alloc())],
  getMsrs: ['KVM_GET_MSRS', (v) => v.getMsrs([0x10])],
  setMsrs: ['KVM_SET_MSRS', (v) => v.setMsrs([{ index: 0x10, value: 0n }])],
  setCpuid: ['KVM_SET_CPUID', (v) => v.setCpuid(new Uint8Array(8))],
  setCpuid2: ['KVM_SET_CPUID2', (v) => v.setCpuid2([])],
  getCpuid2: ['KVM_GET_CPUID2', (v) => v.getCpuid2()],
  getTscKhz: ['KVM_GET_TSC_KHZ', (v) => v.getTscKhz()],
  setTscKhz: ['KVM_SET_TSC_KHZ', (v) => v.setTscKhz(1_000_000)],
  translate: ['KVM_TRANSLATE', (v) => v.translate(0n)],
  interrupt: ['KVM_INTERRUPT', (v) => v.interrupt(0x20)],
  nmi: ['KVM_NMI', (v) => v.nmi()],
  setSignalMask: ['KVM_SET_SIGNAL_MASK', (v) => v.setSignalMask(new Uint8Array(8))],
  setGuestDebug: ['KVM_SET_GUEST_DEBUG', (v) => v.setGuestDebug(KvmGuestDebug.alloc())],
  debugGuest: ['KVM_DEBUG_GUEST', (v) => v.debugGuest()],
  kvmclockCtrl: ['KVM_KVMCLOCK_CTRL', (v) => v.kvmclockCtrl()],
  hasDeviceAttr: ['KVM_HAS_DEVICE_ATTR', (v) => v.hasDeviceAttr(0, 0)],
  getDeviceAttr: ['KVM_GET_DEVICE_ATTR', (v) => v.getDeviceAttr(0, 0)],
  setDeviceAttr: ['KVM_SET_DEVICE_ATTR', (v) => v.setDeviceAttr(0, 0, 0n)],
  enableCap: ['KVM_ENABLE_CAP', (v) => v.enableCap('KVM_CAP_ENFORCE_PV_FEATURE_CPUID', 1n)],
};

/** The methods a class and those above it offer, read from the classes themselves. */
function methodsOf(prototype: object): string[] {
  const above = Object.getPrototypeOf(prototype) as object;
  const members = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  const own = members.filter(([name, d]) => name !== 'constructor' && typeof d.value === 'function');
  return [...own.map(([name]) => name), ...(above === Object.prototype ? [] : methodsOf(above))];
}

/** A Vcpu whose descriptor is no descriptor; its run area is a file of the right size. */
function strayVcpu(): Vcpu {
  const file = createMemfd('stray', 4096);
  const vcpu = new Vcpu(file, 0, 4096);
  file[Symbol.dispose]();
  return Object.assign(vcpu, { fd: Fd.borrow(-1) });
}

function onBadDescriptor<T>(prototype: object, calls: Record<string, Call<T>>, target: () => T): void {
  it('has a row for every method of the class', () => {
    expect(Object.keys(calls).sort()).toEqual(methodsOf(prototype).sort());
  });

  for (const [method, [ioctl, call]] of Object.entries(calls)) {
    const { removed } = IOCTLS[ioctl as keyof typeof IOCTLS] as { removed?: unknown };
    it(`${method} is refused as ${ioctl} with ${removed ? 'the replacement' : 'EBADF'}`, () => {
      const error = thrown(KvmError, () => call(target()));
      expect(error).toMatchObject(
        removed
          ? {
              ioctl,
              errno: ENOTTY,
              code: 'ENOTTY',
              hint: expect.stringMatching(/removed .* use KVM_|use a second KVM_/),
            }
          : { ioctl, errno: EBADF, code: 'EBADF', hint: expect.stringContaining('closed') },
      );
      expect(error.message).toContain(ioctl);
    });
  }
}

/** The ioctls of the classic overview of the interface (KVM API document, before the many capabilities). */
const OVERVIEW = [
  ...['GET_API_VERSION', 'CREATE_VM', 'GET_MSR_INDEX_LIST', 'CHECK_EXTENSION', 'GET_VCPU_MMAP_SIZE'],
  ...['CREATE_VCPU', 'SET_MEMORY_REGION', 'SET_USER_MEMORY_REGION', 'GET_DIRTY_LOG', 'SET_MEMORY_ALIAS'],
  ...['CREATE_IRQCHIP', 'IRQ_LINE', 'GET_IRQCHIP', 'SET_IRQCHIP', 'GET_CLOCK', 'SET_CLOCK'],
  ...['RUN', 'GET_REGS', 'SET_REGS', 'GET_SREGS', 'SET_SREGS', 'TRANSLATE', 'INTERRUPT', 'DEBUG_GUEST'],
  ...['GET_MSRS', 'SET_MSRS', 'SET_CPUID', 'SET_SIGNAL_MASK', 'GET_FPU', 'SET_FPU'],
].map((name) => `KVM_${name}`);

describe('the classic overview', () => {
  it('has a method for each ioctl', () => {
    const offered = [SYSTEM, VM, VCPU].flatMap((calls) => Object.values<Call<never>>(calls).map(([ioctl]) => ioctl));
    expect(offered).toEqual(expect.arrayContaining(OVERVIEW));
    expect(Object.keys(IOCTLS)).toEqual(expect.arrayContaining(offered));
  });
});

describe('a bad descriptor: Kvm', () => onBadDescriptor(Kvm.prototype, SYSTEM, () => Kvm.borrow(-1)));
describe('a bad descriptor: Vm', () => onBadDescriptor(Vm.prototype, VM, () => Vm.borrow(-1)));
describe('a bad descriptor: Vcpu', () => onBadDescriptor(Vcpu.prototype, VCPU, strayVcpu));
