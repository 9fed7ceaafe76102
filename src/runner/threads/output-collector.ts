/** What one exit prints, collected under the device lock and handed over when that is free. */
import type { OutputRing } from './output-ring.ts';

/** Most bytes one exit can print: the data page of a string of accesses. */
const EXIT_OUTPUT_BYTES = 4096;

/** `output` collects; `flush` hands over. */
export function outputCollector(rings: Record<'serial' | 'debugcon', OutputRing>) {
  const bytes = new Uint8Array(EXIT_OUTPUT_BYTES);
  let used = 0;
  let channel: 'serial' | 'debugcon' = 'serial';
  const flush = () => {
    if (used === 0) return;
    rings[channel].write(bytes, used);
    used = 0;
  };
  const output = (to: 'serial' | 'debugcon', more: Uint8Array) => {
    if (to !== channel || used + more.length > bytes.length) flush();
    channel = to;
    for (let i = 0; i < more.length; i++) bytes[used++] = more[i]!;
  };
  return { output, flush };
}
