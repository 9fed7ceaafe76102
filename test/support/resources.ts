/** What this process holds of the kernel: to see that what was made is gone. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const KVM_THINGS = /kvm|vmlapse|eventfd/;

/** What KVM and guest memory have open, by the kernel's names, sorted. The runtime's own descriptors are left out. */
export function openDescriptors(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the directory itself
    }
  });
  return links.filter((link) => KVM_THINGS.test(link) && !link.includes('.test.')).sort();
}

/** What of KVM and guest memory is mapped, by the kernel's names, sorted. */
export function mappings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const names = lines.map((line) => line.split(/\s+/).slice(5).join(' '));
  return names.filter((name) => KVM_THINGS.test(name) && !name.endsWith('.node')).sort();
}

/** Address space in use, in bytes. */
export function addressSpace(): number {
  const kib = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) * 1024;
}
