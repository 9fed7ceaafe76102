import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { IoctlRow } from '../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';

const FOLDER = fileURLToPath(new URL('../../../src/kvm', import.meta.url));
const ROWS: Readonly<Record<string, IoctlRow>> = IOCTLS;

/** "KVM_GET_REGS (4.11)", "KVM_ENABLE_CAP on the VM (4.37)": an ioctl and where the API document describes it. */
const MENTION = /\b(KVM_[A-Z0-9_]+)( on the \w+)? \((\d+\.\d+)\)/g;

describe('comments in src/kvm', () => {
  const mentions = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...readFileSync(`${FOLDER}/${file}`, 'utf8').matchAll(MENTION)].map(([, ioctl, , section]) => ({
        file,
        ioctl: ioctl!,
        section: section!,
      })),
    );

  it('name the section that the table of ioctls names', () => {
    expect(mentions.length).toBeGreaterThan(60);
    expect(mentions.filter(({ ioctl, section }) => ROWS[ioctl]?.section !== section)).toEqual([]);
  });
});
