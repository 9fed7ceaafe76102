/** Who may use a device node: what the advice about permissions rests on. */
import { readFileSync, statSync } from 'node:fs';

/** `group` is a name, or a number where the system has no name for it. */
export interface NodeOwner {
  readonly mode: number;
  readonly group: string;
}

/** Undefined where the node itself cannot be looked at. */
export function nodeOwner(path: string, groups = '/etc/group'): NodeOwner | undefined {
  try {
    const { mode, gid } = statSync(path);
    return { mode, group: groupName(gid, groups) };
  } catch {
    return undefined;
  }
}

function groupName(gid: number, groups: string): string {
  try {
    const lines = readFileSync(groups, 'utf8').split('\n');
    return lines.map((line) => line.split(':')).find(([, , id]) => id === String(gid))?.[0] ?? String(gid);
  } catch {
    return String(gid);
  }
}

/** What to do when it may not be opened. Joining the group helps only where the group has rights and is not root's. */
export function accessCure({ mode, group }: NodeOwner): string {
  const groupMayUse = (mode & 0o060) === 0o060;
  if (groupMayUse && /^\d+$/.test(group))
    return `its group ${group} has no name here: in a container, join it with --group-add ${group}`;
  if (groupMayUse && group !== 'root') return `join its group (sudo usermod -aG ${group} $USER, then log in again)`;
  const bits = (mode & 0o777).toString(8).padStart(4, '0');
  return (
    `its group is ${group} and its mode ${bits}, so only root may use it. To open it to the group kvm: ` +
    'sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm; so that this outlives the next boot, put the line ' +
    'KERNEL=="kvm", GROUP="kvm", MODE="0660" into /etc/udev/rules.d/65-kvm.rules. ' +
    'Then join the group (sudo usermod -aG kvm $USER, and log in again)'
  );
}
