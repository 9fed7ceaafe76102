import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { EACCES, EBUSY, ENODEV, ENOENT, ENOTTY, ENXIO, EPERM, Fd } from '../../src/ffi/fd.ts';
import { openHint } from '../../src/kvm/hints.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { accessCure, nodeOwner } from '../../src/kvm/node-owner.ts';
import { thrown } from '../support/thrown.ts';

const descriptors = () => readdirSync('/proc/self/fd').length;

const UNREADABLE = 3;

/** Opens `path` in a process without root's privileges; prints the message of the error. */
function openUnprivileged(path: string) {
  const script = `
    const kvm = await import(${JSON.stringify(new URL('../../src/kvm/kvm.js', import.meta.url).href)})
      .catch(() => process.exit(${UNREADABLE}));
    try { kvm.Kvm.open(${JSON.stringify(path)}); } catch (error) { process.stdout.write(error.message); }`;
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const options = { encoding: 'utf8', cwd: '/', ...nobody } as const;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], options);
}

describe('opening the device', () => {
  it('says which path is missing and how to get KVM', () => {
    const error = thrown(KvmError, () => Kvm.open('/nonexistent/kvm'));
    expect(error).toMatchObject({ code: 'ENOENT', errno: ENOENT, details: { path: '/nonexistent/kvm' } });
    expect(error.message).toContain('/nonexistent/kvm');
    expect(error.hint).toMatch(/modprobe kvm_intel or kvm_amd.*firmware.*nested/);
  });

  it('says how to get permission on a file of mode 0', ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-'));
    try {
      chmodSync(folder, 0o755);
      const path = join(folder, 'kvm');
      writeFileSync(path, '');
      chmodSync(path, 0);
      const { status, stdout, error } = openUnprivileged(path);
      if (status === UNREADABLE) skip('the built files are not readable by other users');
      if (error) skip(`Node cannot be started by other users: ${error.message}`);
      expect(stdout).toBe(`open ${path}: EACCES — ${openHint(EACCES, nodeOwner(path))}`);
      expect(stdout).toMatch(/its mode 0000, so only root may use it.*chmod 660.*udev/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    [EACCES, /no permission/],
    [EPERM, /no permission.*--device \/dev\/kvm/],
    [ENODEV, /no virtualization/],
    [ENXIO, /no virtualization/],
    [EBUSY, /another hypervisor/],
    [9999, /KVM cannot be used here/],
  ])('has a cure for errno %i', (errno, cure) => {
    expect(openHint(errno)).toMatch(cure);
  });

  it.each([
    ['root', 0o020600, /group is root and its mode 0600, so only root may use it.*chgrp kvm.*chmod 660.*udev/],
    ['root', 0o020660, /group is root and its mode 0660, so only root may use it.*chgrp kvm/],
    ['kvm', 0o020600, /group is kvm and its mode 0600, so only root may use it.*chmod 660.*usermod -aG kvm/],
    ['kvm', 0o020660, /^join its group \(sudo usermod -aG kvm \$USER/],
    ['libvirt', 0o020660, /^join its group \(sudo usermod -aG libvirt \$USER/],
    ['108', 0o020660, /no name here.*--group-add 108$/],
  ])('its advice fits a node of group %s with mode %o', (group, mode, cure) => {
    expect(accessCure({ group, mode })).toMatch(cure);
  });

  it('finds out the group and the mode', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-'));
    try {
      const path = join(folder, 'kvm');
      writeFileSync(path, '');
      chmodSync(path, 0o640);
      const { gid, mode } = statSync(path);
      const groups = join(folder, 'group');
      writeFileSync(groups, `other:x:999999:\nours:x:${gid}:\n`);
      expect(nodeOwner(path, groups)).toEqual({ mode, group: 'ours' });
      expect(nodeOwner(path, join(folder, 'none'))).toEqual({ mode, group: String(gid) });
      expect(nodeOwner(join(folder, 'none'))).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a file that is no KVM device, and closes it', () => {
    const before = descriptors();
    const error = thrown(KvmError, () => Kvm.open('/dev/null'));
    expect(error).toMatchObject({ ioctl: 'KVM_GET_API_VERSION', errno: ENOTTY });
    expect(descriptors()).toBe(before);
  });

  it('refuses another API version, and closes the device', () => {
    const asked = Fd.prototype.ioctlInt;
    const before = descriptors();
    try {
      Fd.prototype.ioctlInt = () => 11;
      const error = thrown(KvmError, () => Kvm.open('/dev/null'));
      expect(error.message).toContain('API version 11, but vmlapse speaks 12');
    } finally {
      Fd.prototype.ioctlInt = asked;
    }
    expect(descriptors()).toBe(before);
  });
});
