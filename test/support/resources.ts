/** What this process holds of the kernel: to see that what was made is gone. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of the project, by whatever name it was cloned: what is open or mapped there is the runtime's. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const isOurs = (name: string) => /kvm|vmlapse/.test(name) && !name.startsWith(ROOT);

/**
 * What KVM and guest memory have open, by the kernel's names, sorted. The runtime's own descriptors are left out: each of its
 * threads has an eventfd, which a thread that is leaving closes at any time.
 */
export function openDescriptors(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the directory itself
    }
  });
  return links.filter(isOurs).sort();
}

/** What of KVM and guest memory is mapped, by the kernel's names, sorted. */
export function mappings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const names = lines.map((line) => line.split(/\s+/).slice(5).join(' '));
  return names.filter(isOurs).sort();
}

/** Address space in use, in bytes. */
export function addressSpace(): number {
  const kib = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) * 1024;
}
