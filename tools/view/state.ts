/** The state of one checkpoint as the page shows it: sections of fields, code from RIP on, the text screen. */
import { crc32 } from 'node:zlib';
import type { DiffTarget } from '../../snapshot/diff/diff-target.ts';
import { translationOf } from '../../snapshot/diff/translate.ts';
import { decodeState, type MachineState } from '../../snapshot/machine-state.ts';
import { sregsOf } from '../../snapshot/page-tables.ts';
import type { StateField } from '../../snapshot/show/field.ts';
import { stateSections } from '../../snapshot/show/state-sections.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { hex } from '../../src/abi/numbers.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { VmlapseError } from '../../src/errors.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { VcpuState } from '../../src/kvm/state/vcpu-state.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { disassemble } from '../../src/runner/fault/disassemble.ts';
import { screenOfCheckpoint } from '../screen/of-machine.ts';
import { screenLines } from '../screen/render.ts';
import { valueText } from './parts/field-text.ts';
import { byteText, counted, printable } from './parts/format.ts';
import { screenRuns } from './parts/screen-runs.ts';
import { type Pool, runsOf } from './pool.ts';
import type { Code, CodeRow, FieldRow, Moment, Run, ScreenShot, Section } from './timeline-types.ts';

/** Where shared values go. */
export interface Pools {
  readonly sections: Pool<Section>;
  readonly fields: Pool<FieldRow>;
  readonly screens: Pool<ScreenShot>;
  readonly screenRows: Pool<readonly Run[]>;
}

/** Names an address: "main+0x10". */
export type Describe = (linear: bigint) => string | undefined;

/** The part of a moment that is not memory. Throws CheckpointError for a checkpoint that describes no machine. */
export function stateOf(checkpoint: Checkpoint, describe: Describe, pools: Pools) {
  const state = decodeState(checkpoint.config);
  const sections = stateSections(state).map(({ path, title, fields }) =>
    pools.sections.add({ path, title, fields: runsOf(fields.map((field) => pools.fields.add(fieldRow(field)))) }),
  );
  return {
    machine: machineRows(state),
    sections,
    code: state.vcpus.map((vcpu) => codeOf(checkpoint, state, vcpu, describe)),
    ...screenShot(checkpoint, pools),
  };
}

const RAW_SHOWN = 16;

/** Of long bytes only the beginning is shown: their CRC says whether the rest is the same. */
export function fieldRow(field: StateField): FieldRow {
  const { name, value, meaning } = field;
  const crc =
    value instanceof Uint8Array && value.length > RAW_SHOWN ? ` CRC ${crc32(value).toString(16).padStart(8, '0')}` : '';
  const text = valueText(field) + crc;
  return meaning ? [name, text, meaning] : [name, text];
}

function machineRows({ description }: MachineState): NonNullable<Moment['machine']> {
  const { memory, cpus, irqchip, userChips, host, rng, disks = [] } = description;
  const chips = userChips
    ? 'interrupt controllers in user space'
    : `${irqchip ? '' : 'no '}interrupt controllers in the kernel`;
  return [
    ['machine', [byteText(memory), counted(cpus, 'vCPU'), chips, ...(rng ? ['random numbers'] : [])].join(', ')],
    ['taken on', `KVM ${printable(String(host.kvm))}, TSC ${printable(String(host.tscKhz))} kHz`],
    ...disks.map(({ path, bytes }, i) => [`disk ${i}`, `${printable(path)}, ${byteText(bytes)}`] as const),
  ];
}

const LINES = 10;
const LONGEST_INSTRUCTION = 15;

/** Code from a vCPU's RIP on, at most `count` instructions. */
export function codeOf(
  checkpoint: DiffTarget,
  state: MachineState,
  vcpu: VcpuState,
  describe: Describe,
  count = LINES,
): Code {
  const sregs = sregsOf(vcpu);
  if (!sregs || !vcpu.regs || vcpu.regs.length < KvmRegs.size)
    return { mode: 'unknown', lines: [], why: 'the checkpoint has no registers of this vCPU' };
  const { rip, rflags } = KvmRegs.over(vcpu.regs);
  const mode = codeMode(sregs, rflags);
  const linear = linearRip(sregs, mode, rip);
  const at = describe(linear);
  const head = {
    mode: `${mode.name} mode, ${mode.bits}-bit code, ring ${mode.cpl}`,
    ...(at !== undefined && { at: printable(at) }),
  };
  const bytes = bytesAt(checkpoint, { ...state, vcpus: [vcpu] }, linear, count * LONGEST_INSTRUCTION);
  if (bytes.length === 0) return { ...head, lines: [], why: `nothing is mapped at ${hex(linear)}` };
  const lines = disassemble(bytes, linear, mode.bits, count).map(
    ({ address, bytes: code, text }): CodeRow => [hex(address), Buffer.from(code).toString('hex'), text],
  );
  return { ...head, lines };
}

/** Bytes from a linear address on, up to what is not mapped. */
function bytesAt(checkpoint: DiffTarget, state: MachineState, linear: bigint, length: number): Uint8Array {
  const translate = translationOf(checkpoint, state);
  const out = new Uint8Array(length);
  const page = new Uint8Array(PAGE_SIZE);
  let filled = 0;
  while (filled < length) {
    const gpa = translate(linear + BigInt(filled));
    if (gpa === undefined) break;
    const offset = gpa % PAGE_SIZE;
    checkpoint.readPages([gpa - offset], page);
    const part = page.subarray(offset, offset + length - filled);
    out.set(part, filled);
    filled += part.length;
  }
  return out.subarray(0, filled);
}

/** The text screen; nothing where it is empty, a note where it cannot be read. */
function screenShot(checkpoint: Checkpoint, pools: Pools): { screen?: number; notes?: string[] } {
  try {
    const screen = screenOfCheckpoint(checkpoint);
    const rows = screenLines(screen).map((_, row) =>
      pools.screenRows.add(screenRuns(screen, row).map(({ text, front, back }) => [text, front, back])),
    );
    if (rows.length === 0) return {};
    return { screen: pools.screens.add({ columns: screen.columns, graphics: screen.graphics, rows }) };
  } catch (error) {
    if (!(error instanceof VmlapseError)) throw error;
    return { notes: [`the text screen cannot be read: ${printable(error.message)}`] };
  }
}
