/** `vmlapse ioctls`: the API table, and what this host has of it. */
import type { Command } from 'commander';
import type { CapabilityName } from '../../../src/abi/capabilities.ts';
import { type IoctlRow, ioctlNumber } from '../../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../../src/abi/ioctls.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { toJson } from '../json.ts';
import { columns } from '../output.ts';
import { forStdout } from '../terminal-text.ts';

const EXAMPLES = `
Examples:
  vmlapse ioctls
  vmlapse ioctls --json | jq '.[] | select(.class[] == "vcpu") | .name'`;

/** Adds the command. */
export function addIoctls(program: Command): void {
  program
    .command('ioctls')
    .description('list the KVM API: class, number, argument, since or removed, available here')
    .option('--json', 'print one JSON array instead')
    .addHelpText('after', EXAMPLES)
    .action((options: { json?: boolean }) => {
      const rows = table();
      process.stdout.write(options.json ? `${toJson(rows)}\n` : forStdout(render(rows)));
    });
}

function table() {
  using kvm = openIfPresent();
  return Object.entries(IOCTLS as Record<string, IoctlRow>).map(([name, row]) => ({
    name,
    class: row.on,
    number: `0x${ioctlNumber(row).toString(16).padStart(8, '0')}`,
    argument: argumentName(row),
    section: row.section,
    here: available(row, kvm),
    doc: row.removed ? `removed in ${row.removed.since}; use ${row.removed.instead}` : row.doc,
  }));
}

function openIfPresent(): Kvm | undefined {
  try {
    return Kvm.open();
  } catch {
    return undefined;
  }
}

function available(row: IoctlRow, kvm: Kvm | undefined): 'yes' | 'no' | 'removed' | 'unknown' {
  if (row.removed) return 'removed';
  if (!kvm) return 'unknown';
  if (!row.capability) return 'yes';
  return kvm.checkExtension(row.capability as CapabilityName) > 0 ? 'yes' : 'no';
}

function argumentName({ arg }: IoctlRow): string {
  if (typeof arg === 'string') return arg === 'none' ? '-' : arg;
  return 'header' in arg ? `${arg.header.name} + n ${arg.entry.name}` : arg.name;
}

function render(rows: ReturnType<typeof table>): string {
  const head = ['ioctl', 'on', 'number', 'argument', 'api.rst', 'here', ''];
  return columns([
    head,
    ...rows.map((r) => [r.name, r.class.join('/'), r.number, r.argument, r.section, r.here, r.doc]),
  ]);
}
