/** A kvm_run area in which an exit is written, as KVM would. */
import type { LoggedExit } from '../../debug/recording/log.ts';
import { Exit } from '../../src/abi/exits.ts';
import { RUN_EXIT_OFFSET } from '../../src/abi/structs.ts';
import { RunArea } from '../../src/kvm/run-area.ts';

const DATA_AT = 4096;

/** The area after this exit. */
export function fakeArea({ reason, isWrite = false, address = 0, width = 0, data }: LoggedExit): RunArea {
  const area = new RunArea(new Uint8Array(8192));
  area.view.setUint32(8, reason, true);
  if (!data) return area;
  const at = RUN_EXIT_OFFSET;
  if (reason === Exit.MMIO) {
    area.view.setBigUint64(at, BigInt(address), true);
    area.bytes.set(data, at + 8);
    area.view.setUint32(at + 16, data.length, true);
    area.bytes[at + 20] = isWrite ? 1 : 0;
    return area;
  }
  area.bytes[at] = isWrite ? 1 : 0;
  area.bytes[at + 1] = width;
  area.view.setUint16(at + 2, address, true);
  area.view.setUint32(at + 4, data.length / width, true);
  area.view.setBigUint64(at + 8, BigInt(DATA_AT), true);
  area.bytes.set(data, DATA_AT);
  return area;
}
