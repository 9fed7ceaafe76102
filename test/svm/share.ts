/** Shares test files out to several hosts, the long ones first, each to the host with the least to do. */

/** Rough seconds on an emulated processor, of files that take much longer than the others. */
const SECONDS: Readonly<Record<string, number>> = {
  'real/guests.test.js': 120,
  'boot/guests.test.js': 90,
  'runner/halted.test.js': 30,
};
const USUAL_SECONDS = 4;

const weight = (file: string) => SECONDS[file] ?? USUAL_SECONDS;

/** Every file once, in at most `hosts` shares, none of them empty. */
export function share(files: readonly string[], hosts: number): string[][] {
  const shares = Array.from({ length: Math.max(1, Math.min(hosts, files.length)) }, () => ({
    files: [] as string[],
    seconds: 0,
  }));
  for (const file of files.toSorted((a, b) => weight(b) - weight(a))) {
    const idlest = shares.reduce((least, one) => (one.seconds < least.seconds ? one : least));
    idlest.files.push(file);
    idlest.seconds += weight(file);
  }
  return shares.map((one) => one.files).filter((one) => one.length > 0);
}
