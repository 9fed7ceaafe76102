/** A large ELF64 executable for loader benchmarks: one segment of bytes that do not repeat, at 1 MiB. */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MIB = 2 ** 20;
const LOAD_ADDRESS = BigInt(MIB);
const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const OFFSET = 4096;

/** ELF header and one PT_LOAD (System V gABI, chapters 4 and 5). */
function headers(bytes: number): Uint8Array {
  const page = new Uint8Array(OFFSET);
  const view = new DataView(page.buffer);
  page.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64-bit, little-endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, LOAD_ADDRESS, true); // entry
  view.setBigUint64(32, BigInt(EHDR_BYTES), true); // program headers
  view.setUint16(52, EHDR_BYTES, true);
  view.setUint16(54, PHDR_BYTES, true);
  view.setUint16(56, 1, true);
  view.setUint32(EHDR_BYTES, 1, true); // PT_LOAD
  view.setUint32(EHDR_BYTES + 4, 7, true); // RWX
  const sizes = [BigInt(OFFSET), LOAD_ADDRESS, LOAD_ADDRESS, BigInt(bytes), BigInt(bytes), 4096n];
  for (const [i, value] of sizes.entries()) view.setBigUint64(EHDR_BYTES + 8 + 8 * i, value, true);
  return page;
}

/** Writes such a file of `mib` MiB in a temporary folder; disposing removes both. */
export function bigElf(mib: number): Disposable & { readonly path: string; readonly bytes: number } {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  const path = join(folder, 'big.elf');
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, headers(mib * MIB));
    const words = new Uint32Array(MIB / 4);
    for (let i = 0, state = 1; i < mib; i++) {
      for (let w = 0; w < words.length; w++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
        words[w] = state;
      }
      writeSync(fd, words);
    }
  } finally {
    closeSync(fd);
  }
  return { path, bytes: OFFSET + mib * MIB, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
