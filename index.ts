/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
/**
 * The public API: `import … from 'vmlapse'`. In reading order: the kernel interface, a machine, ways to run it, guest
 * images, checkpoints. More of the last two is in `vmlapse/loaders` and `vmlapse/snapshot`; guests to try things
 * with are in `vmlapse/guests`. What is not exported by one of these is not part of the API.
 */
import './src/errors.ts'; // first: it defines Symbol.dispose where that is missing

export type { MemoryRange, MemoryWrite } from './debug/blame/writes.ts';
export { History, openHistory } from './debug/history.ts';
export type { Position } from './debug/recording/position.ts';
export { Recorder, type RecordOptions, type RecordReport } from './debug/recording/recorder.ts';
export { ReplayDivergence } from './debug/replay/divergence.ts';
export { openRecording, type Recording } from './debug/replay/recording.ts';
export type { DebugAbilities, RingAbilities } from './debug/stops/abilities.ts';
export type { Stop, StoppedVcpu, VcpuAction } from './debug/stops/attached.ts';
export { Debugger, type DebuggerOptions } from './debug/stops/debugger.ts';
export type { LinearMemory } from './debug/stops/linear-memory.ts';

export { detect, type GuestImage, type LoadOptions, load, place, SymbolTable } from './loaders/index.ts';
export { bootImage } from './loaders/place.ts';
export { type ImageFile, readImage } from './loaders/read.ts';
export type { CheckpointOptions, CheckpointReport } from './snapshot/checkpoint-options.ts';
export { type CheckpointDiff, type DiffOptions, diff } from './snapshot/diff/diff.ts';
export { LiveSession } from './snapshot/live/live-session.ts';
export { type RestoredMachine, restoreMachine } from './snapshot/restore.ts';
export type { RestoreOptions } from './snapshot/restore-options.ts';
export { CheckpointSession } from './snapshot/session.ts';
export type { Checkpoint } from './snapshot/store/memory/checkpoint.ts';
export { openStore, type Store } from './snapshot/store/store.ts';
export type { SnapshotTarget } from './snapshot/target.ts';

export { CAPABILITIES, type CapabilityName } from './src/abi/capabilities.ts';
export { EXIT_REASONS, type ExitName } from './src/abi/exits.ts';
export * as flags from './src/abi/flags.ts';
export { type IoctlRow, ioctlNumber } from './src/abi/ioctl-row.ts';
export { IOCTLS, type IoctlName } from './src/abi/ioctls.ts';
export { describeMsr, msrName } from './src/abi/msrs.ts';
export { decodeRegister } from './src/abi/registers.ts';
export { bytesOf, type Live, plain, type Struct, struct } from './src/abi/struct.ts';
export * as structs from './src/abi/structs.ts';
export type { Type } from './src/abi/types.ts';
export * as types from './src/abi/types.ts';

export type { AddressRange, Device, DeviceHost, DeviceSpec, StopRequest, Width } from './src/devices/device.ts';
export { type DeviceHandler, type DeviceModule, devicesFrom, onMmio, onPort } from './src/devices/own.ts';

export {
  CheckpointError,
  ControlError,
  DiskError,
  errnoName,
  GuestFault,
  GuestMemoryError,
  HostError,
  KvmError,
  LoadError,
  TraceError,
  UsageError,
  VmlapseError,
} from './src/errors.ts';
export { Mapping } from './src/ffi/mapping.ts';
export { type KvmBackend, kvmBackend } from './src/kvm/backend.ts';
export { setTracer, type Tracer } from './src/kvm/call.ts';
export type { CpuidLeaf } from './src/kvm/cpuid.ts';
export { decodeExit, type Exit, exitName } from './src/kvm/exit.ts';
export { KVM_API_VERSION, Kvm } from './src/kvm/kvm.ts';
export type { MsrValue as Msr } from './src/kvm/msr-list.ts';
export type { RunArea } from './src/kvm/run-area.ts';
export { type TraceEvent, traceLine } from './src/kvm/trace.ts';
export type { Translation, Vcpu } from './src/kvm/vcpu.ts';
export { type MemorySlot, Vm } from './src/kvm/vm.ts';

export { cpuidOfChoice } from './src/machine/cpu-model.ts';
export type { DiskConfig } from './src/machine/disks.ts';
export type { CpuMode, EntryState, RegisterName } from './src/machine/entry.ts';
export { Machine } from './src/machine/machine.ts';
export type { MachineConfig, MachineOptions } from './src/machine/machine-config.ts';
export { PAGE_SIZE } from './src/memory/bitmap.ts';
export { GuestMemory, type Region } from './src/memory/guest-memory.ts';

export type { AssistMode } from './src/runner/assist/mode.ts';
export { LocalMachine, type LocalOptions, type RunHereOptions, runHere } from './src/runner/local-machine.ts';
export { FAULTS, type RunCounts, type RunEnd, type RunReason, type RunResult } from './src/runner/result.ts';
export type { RunOptions, StartOptions } from './src/runner/threads/run-options.ts';
export { RunningMachine } from './src/runner/threads/running-machine.ts';
