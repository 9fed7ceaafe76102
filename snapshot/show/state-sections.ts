/** A machine's whole state, RAM aside, as sections of named fields. */
import { devicesOf } from '../../src/devices/devices.ts';
import { MAX_DISKS } from '../../src/disk/limits.ts';
import { readCpuidBytes } from '../../src/kvm/cpuid.ts';
import type { MachineState } from '../machine-state.ts';
import { field, rangeFields, rawField, type StateField, type StateSection } from './field.ts';
import { VCPU_FIELDS } from './vcpu-fields.ts';
import { VM_FIELDS } from './vm-fields.ts';
import { xsaveFields } from './xsave.ts';
import { withBitsInUse } from './xsave-in-use.ts';

interface Decoder {
  readonly title: string;
  readonly fields: (bytes: Uint8Array) => StateField[];
}

/** Bytes that do not have the shape their name promises are shown as they are. */
function fieldsOf(decoder: Decoder, bytes: Uint8Array): StateField[] {
  try {
    return decoder.fields(bytes);
  } catch (error) {
    if (error instanceof RangeError) return [rawField('bytes', bytes)];
    throw error;
  }
}

/** Walks a table of decoders in its order; parts that the state does not have are left out. */
function decodeParts(
  table: Readonly<Record<string, Decoder>>,
  state: Readonly<Partial<Record<string, Uint8Array>>>,
  path: string,
  title: string,
): StateSection[] {
  return Object.entries(table).flatMap(([part, decoder]) => {
    const bytes = state[part];
    return bytes ? [{ path: `${path}/${part}`, title: title + decoder.title, fields: fieldsOf(decoder, bytes) }] : [];
  });
}

/** Every device that a machine may have; which port it has does not matter here. */
const SPECS = new Map(
  devicesOf({ exitPort: 1, disks: MAX_DISKS, rng: true, userChips: true }, []).map((spec) => [spec.name, spec]),
);

function deviceSection([name, bytes]: readonly [string, Uint8Array]): StateSection {
  const table = SPECS.get(name)?.fields ?? {};
  const fields = fieldsOf({ title: name, fields: (b) => rangeFields(table, b) }, bytes);
  return {
    path: `device/${name}`,
    title: `device ${name}`,
    fields: fields.length === 0 && bytes.length > 0 ? [rawField('bytes', bytes)] : fields,
  };
}

function cpuidFields(bytes: Uint8Array): StateField[] {
  return readCpuidBytes(bytes).flatMap((leaf) =>
    (['eax', 'ebx', 'ecx', 'edx'] as const).map((register) =>
      field(`leaf_0x${leaf.function.toString(16)}_${leaf.index}.${register}`, leaf[register], 4),
    ),
  );
}

/** Registers and the like of every vCPU, then what belongs to the VM, the devices, CPUID, ROMs. */
export function stateSections(state: MachineState): StateSection[] {
  const fields = (bytes: Uint8Array) => xsaveFields(withBitsInUse(bytes, state.cpuid));
  const decoders = { ...VCPU_FIELDS, xsave: { ...VCPU_FIELDS.xsave, fields } };
  const lines = state.description.irqchip ? [] : [field('raised', state.lines, 4)];
  return [
    ...state.vcpus.flatMap((parts, id) => decodeParts(decoders, parts, `vcpu/${id}`, `vCPU ${id}: `)),
    ...decodeParts(VM_FIELDS, state.vm, 'vm', ''),
    ...(lines.length > 0 ? [{ path: 'machine/lines', title: 'interrupt lines', fields: lines }] : []),
    ...[...state.devices].map(deviceSection),
    {
      path: 'machine/cpuid',
      title: 'CPUID',
      fields: fieldsOf({ title: 'CPUID', fields: cpuidFields }, state.cpuid),
    },
    ...state.roms.map(({ gpa, bytes }) => ({
      path: `rom/0x${gpa.toString(16)}`,
      title: `ROM at 0x${gpa.toString(16)}`,
      fields: [rawField('bytes', bytes)],
    })),
  ];
}
