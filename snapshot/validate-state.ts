/**
 * Compares the sizes in a decoded state with those of the kernel's structs. A damaged store may have digests that
 * match: no part of a state is passed to an ioctl before its size is checked.
 */
import { CheckpointError, VmlapseError } from '../src/errors.ts';
import { readCpuidBytes } from '../src/kvm/cpuid.ts';
import { readMsrList } from '../src/kvm/msr-list.ts';
import { usedNested } from '../src/kvm/state/nested.ts';
import { VCPU_ROWS, type VcpuPart } from '../src/kvm/state/vcpu-rows.ts';
import type { VcpuState } from '../src/kvm/state/vcpu-state.ts';
import type { VcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import { VM_ROWS, type VmPart } from '../src/kvm/state/vm-state.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import { ramRanges } from '../src/memory/layout.ts';
import { decodeState, type MachineState } from './machine-state.ts';
import type { CheckpointConfig } from './store/format/documents.ts';

/** The state in a checkpoint's config. Throws CheckpointError BAD_STATE that names the first part of a wrong size. */
export function validateState(config: CheckpointConfig): MachineState {
  const state = decodeState(config);
  checkRam(state);
  attempt('its CPUID', () => readCpuidBytes(state.cpuid));
  state.vcpus.forEach(checkVcpu);
  for (const [part, bytes] of Object.entries(state.vm) as [VmPart, Uint8Array][]) {
    const { size } = VM_ROWS.find((row) => row.part === part)!;
    if (bytes.length !== size) throw bad(`${part} has ${bytes.length} bytes, not ${size}`);
  }
  const { host } = state.description;
  if (typeof host?.kvm !== 'string' || !Number.isSafeInteger(host.tscKhz)) throw bad('it does not say its host');
  return state;
}

function checkRam({ description, roms }: MachineState): void {
  const ram = attempt('its RAM', () => ramRanges(description.memory));
  for (const { gpa, bytes } of roms) {
    const placed = Number.isSafeInteger(gpa) && gpa >= 0 && gpa % PAGE_SIZE === 0 && bytes.length > 0;
    const inRam = ram.some(({ base, size }) => gpa < base + size && gpa + bytes.length > base);
    if (!placed || inRam) throw bad(`a ROM of ${bytes.length} bytes cannot be at ${gpa}`);
  }
}

function checkVcpu(parts: VcpuState, id: number): void {
  for (const [part, bytes] of Object.entries(parts) as [VcpuPart, Uint8Array][]) {
    if (part === 'nested_state') attempt(`vCPU ${id}: its nested state`, () => usedNested(bytes));
    else if (part === 'msrs') attempt(`vCPU ${id}: its MSRs`, () => readMsrList(bytes));
    else checkSize(id, part, bytes.length);
  }
}

/** An XSAVE area may be larger than the least; every other part has one size. */
function checkSize(id: number, part: VcpuPart, found: number): void {
  const size = Math.max(...HOSTS.map((host) => VCPU_ROWS[part].size(host)));
  const right = part === 'xsave' ? found >= size && found <= MAX_XSAVE_BYTES : found === size;
  if (!right) throw bad(`vCPU ${id}: ${part} has ${found} bytes, not ${size}`);
}

const MAX_XSAVE_BYTES = 2 ** 16;
const MAX_NESTED_BYTES = 2 ** 14;

/** Together they have every part. */
const HOSTS: readonly VcpuStateCaps[] = [
  {
    xsaveBytes: 4096,
    sregs2: true,
    irqchip: true,
    kicks: true,
    syncRegs: true,
    msrs: [],
    tsc: 'offset',
    nestedBytes: MAX_NESTED_BYTES,
  },
  { xsaveBytes: 0, sregs2: false, irqchip: true, kicks: true, syncRegs: false, msrs: [], tsc: 'none', nestedBytes: 0 },
];

function attempt<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const known = error instanceof RangeError || error instanceof VmlapseError;
    if (!known) throw error;
    throw bad(`${what}: ${error.message}`);
  }
}

const bad = (why: string) =>
  new CheckpointError(
    'BAD_STATE',
    `the checkpoint cannot be used: ${why}; verify the store, or was it made by another tool?`,
  );
