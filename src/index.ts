/**
 * The public API: `import … from 'vmlapse'`. In reading order: the kernel interface, a machine, ways to run it, guest
 * images, checkpoints. More of the last two is in `vmlapse/loaders` and `vmlapse/snapshot`; guests to try things
 * with are in `vmlapse/guests`. What is not exported by one of these is not part of the API.
 */

export { bootImage } from '../loaders/boot.ts';
export { detect, type GuestImage, type LoadOptions, load, place, SymbolTable } from '../loaders/index.ts';
export { type ImageFile, readImage } from '../loaders/read.ts';
export { LiveSession } from '../snapshot/live/live-session.ts';
export { type RestoredMachine, type RestoreOptions, restoreMachine } from '../snapshot/restore.ts';
export { type CheckpointOptions, type CheckpointReport, CheckpointSession } from '../snapshot/session.ts';
export type { Checkpoint } from '../snapshot/store/checkpoint.ts';
export { openStore, type Store } from '../snapshot/store/store.ts';
export type { SnapshotTarget } from '../snapshot/target.ts';

export { CAPABILITIES, type CapabilityName } from './abi/capabilities.ts';
export { EXIT_REASONS, type ExitName } from './abi/exits.ts';
export * as flags from './abi/flags.ts';
export { type IoctlRow, ioctlNumber } from './abi/ioctl.ts';
export { IOCTLS, type IoctlName } from './abi/ioctls.ts';
export { describeMsr, msrName } from './abi/msrs.ts';
export { decodeRegister } from './abi/registers.ts';
export { bytesOf, type Live, plain, type Struct, struct } from './abi/struct.ts';
export * as structs from './abi/structs.ts';

export type { Width } from './devices/device.ts';

export {
  CheckpointError,
  ControlError,
  errnoName,
  GuestFault,
  GuestMemoryError,
  KvmError,
  LoadError,
  UsageError,
  VmlapseError,
} from './errors.ts';
export { Mapping } from './ffi/mapping.ts';

export { setTracer, type Tracer } from './kvm/call.ts';
export type { CpuidLeaf } from './kvm/cpuid.ts';
export { decodeExit, type Exit, exitName } from './kvm/exit.ts';
export { type KvmKind, kvmKind } from './kvm/kind.ts';
export { KVM_API_VERSION, Kvm } from './kvm/kvm.ts';
export type { RunArea } from './kvm/run-area.ts';
export { traceLine } from './kvm/trace.ts';
export type { Msr, Translation, Vcpu } from './kvm/vcpu.ts';
export { type MemorySlot, Vm } from './kvm/vm.ts';

export type { CpuMode, EntryState, RegisterName } from './machine/entry.ts';
export { Machine, type MachineConfig } from './machine/machine.ts';
export { PAGE_SIZE } from './memory/bitmap.ts';
export { GuestMemory, type Region } from './memory/guest-memory.ts';

export type { AssistMode } from './runner/assist.ts';
export { LocalMachine, type LocalOptions } from './runner/local-machine.ts';
export { FAULTS, type RunCounts, type RunEnd, type RunReason, type RunResult } from './runner/result.ts';
export { type RunHereOptions, runHere } from './runner/run-here.ts';
export { RunningMachine, type StartOptions } from './runner/running-machine.ts';
