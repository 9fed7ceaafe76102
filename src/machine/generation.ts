/** Gives a machine a new generation: src/devices/generation.ts. */
import { randomBytes } from 'node:crypto';
import { KvmIrqchip } from '../abi/structs.ts';
import { type DeviceSpec, load, store } from '../devices/device.ts';
import { layoutDevices } from '../devices/devices.ts';
import { GENERATION, GENERATION_BYTES } from '../devices/generation.ts';
import type { Vm } from '../kvm/vm.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { raiseEvent } from './acpi/event.ts';
import { GENERATION_GPA } from './acpi/tables.ts';

/** The part of a Machine that has a generation. */
interface Generational {
  readonly devices: readonly DeviceSpec[];
  readonly deviceState: SharedArrayBuffer;
  readonly memory: GuestMemory;
}

const recordOf = ({ devices, deviceState }: Generational): Uint8Array =>
  new Uint8Array(deviceState, layoutDevices(devices).offsets.get(GENERATION.name), GENERATION.stateBytes);
const [USED_AT] = GENERATION.fields.used!;
const [GPA_AT] = GENERATION.fields.gpa!;
const [ID_AT] = GENERATION.fields.id!;
const idOf = (record: Uint8Array) => record.subarray(ID_AT, ID_AT + GENERATION_BYTES);

/** Notes that the machine's ACPI tables say where its generation is: 0, as it has not been copied yet. */
export function describeGeneration(machine: Generational): void {
  const record = recordOf(machine);
  record[USED_AT] = 1;
  store(record, GPA_AT, 4, GENERATION_GPA);
  idOf(record).fill(0);
  machine.memory.zero(GENERATION_GPA, GENERATION_BYTES);
}

/** Where the number lies; undefined where the machine's guest was not told of one, or has written something else there. */
export function generationAt(machine: Generational): number | undefined {
  const record = recordOf(machine);
  const gpa = load(record, GPA_AT, 4);
  if (record[USED_AT] === 0 || !machine.memory.find(gpa, GENERATION_BYTES)) return undefined;
  return Buffer.compare(machine.memory.read(gpa, GENERATION_BYTES), idOf(record)) === 0 ? gpa : undefined;
}

/**
 * Writes another number where {@link generationAt} says, and interrupts an operating system that listens. Call it while no
 * vCPU runs, after the machine's state is loaded; `ioApic` is a struct kvm_irqchip of that state, if it has one. Throws
 * KvmError.
 */
export function renewGeneration(machine: Generational & { readonly vm: Vm }, ioApic: Uint8Array | undefined): void {
  const gpa = generationAt(machine);
  if (gpa === undefined) return;
  const id = randomBytes(GENERATION_BYTES);
  idOf(recordOf(machine)).set(id);
  machine.memory.write(gpa, id);
  if (ioApic) raiseEvent(machine.vm, 'GENERATION', KvmIrqchip.over(ioApic));
}

/** Marks the number as written by the host, where there is one: a checkpoint that begins a history of its own needs it. */
export function markGeneration(machine: Generational): void {
  const gpa = generationAt(machine);
  const region = gpa === undefined ? undefined : machine.memory.find(gpa);
  if (region) machine.memory.markWritten(region, gpa! - region.base, GENERATION_BYTES);
}
