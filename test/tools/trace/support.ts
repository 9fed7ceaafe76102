/** Traces in memory, and what is read of them. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IoctlEvent, TraceEvent } from '../../../src/kvm/trace.ts';
import { FORMAT, type TraceHeader, VERSION } from '../../../tools/trace/format.ts';
import { type TraceEnding, TraceReader } from '../../../tools/trace/reader.ts';
import { TraceWriter } from '../../../tools/trace/writer.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';

export const HEADER: TraceHeader = {
  format: FORMAT,
  version: VERSION,
  ...{ vmlapse: '0.1.0', what: 'a test', made: '2026-01-02T03:04:05.000Z', kvm: 'PVM', linux: '6.1', origin: 1000 },
};

/** A KVM_RUN that ended `i` microseconds after the beginning. */
export const run = (i: number, more: Partial<IoctlEvent> = {}): IoctlEvent => ({
  ...{ at: 1000 + i, us: 0.5, who: 'vcpu0', fd: 7, file: 'anon_inode:kvm-vcpu:0', name: 'KVM_RUN', result: 0 },
  ...{ note: `IO out 0x3f8 ${(i & 0xff).toString(16).padStart(2, '0')}`, ...more },
});

/** What a writer makes of what `fill` gives to it. */
export function written(fill: (writer: TraceWriter) => void, limit = 2 ** 20, header = HEADER): Buffer {
  using folder = temporaryDirectory();
  const path = join(folder.path, 'trace');
  const fd = openSync(path, 'w');
  const writer = new TraceWriter(fd, header, limit, (error) => {
    throw error;
  });
  fill(writer);
  writer.close();
  closeSync(fd);
  return readFileSync(path);
}

async function* inPieces(bytes: Uint8Array, piece: number) {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

/** All that a reader finds. Rejects with what it throws. */
export async function read(
  bytes: Uint8Array | string,
  piece = 4096,
): Promise<{ header: TraceHeader; events: TraceEvent[]; ending: TraceEnding }> {
  const reader = await TraceReader.open(inPieces(Buffer.from(bytes as string), piece), 'the file');
  const events: TraceEvent[] = [];
  for await (const batch of reader.batches()) events.push(...batch);
  return { header: reader.header, events, ending: reader.ending };
}
