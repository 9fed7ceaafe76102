/** KVM's counters of a VM or a vCPU (KVM_GET_STATS_FD): a file that describes itself. */
import { readSync } from 'node:fs';
import { KvmStatsDesc, KvmStatsHeader } from '../abi/structs.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { Fd } from '../ffi/fd.ts';
import { ioctl } from './call.ts';

/** One 64-bit counter of a VM or a vCPU. */
export class StatCounter implements Disposable {
  readonly #file: Fd;
  readonly #at: number;
  readonly #word = new BigUint64Array(1);

  private constructor(file: Fd, at: number) {
    this.#file = file;
    this.#at = at;
  }

  /** The counter of that name; undefined where this KVM has none. Throws KvmError where KVM has no statistics at all. */
  static open(owner: Fd, name: string): StatCounter | undefined {
    using made = new Cleanup();
    const file = made.use(Fd.own(ioctl(owner, 'KVM_GET_STATS_FD')));
    const at = place(file, name);
    if (at === undefined) return undefined;
    made.keep();
    return new StatCounter(file, at);
  }

  /** The count now. */
  read(): bigint {
    readSync(this.#file.number, this.#word, 0, 8, this.#at);
    return this.#word[0]!;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Where in the file the counter's word is. */
function place(file: Fd, name: string): number | undefined {
  const head = bytesAt(file, 0, KvmStatsHeader.size);
  const { name_size, num_desc, desc_offset, data_offset } = KvmStatsHeader.over(head);
  const size = KvmStatsDesc.size + name_size;
  const table = bytesAt(file, desc_offset, num_desc * size);
  for (let at = 0; at < table.length; at += size) {
    const text = table.toString('latin1', at + KvmStatsDesc.size, at + size);
    if (text.split('\0', 1)[0] === name) return data_offset + KvmStatsDesc.over(table, at).offset;
  }
  return undefined;
}

function bytesAt(file: Fd, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(file.number, bytes, 0, length, at);
  return bytes;
}
