/** Commands of `monitor`: what a debugger can ask of a machine beyond the protocol. */

import { abilityLines } from '../../debug/stops/ability-text.ts';
import { checkPhysical } from '../../debug/stops/linear-memory.ts';
import { REGISTERS } from '../../debug/stops/registers.ts';
import { VmlapseError } from '../../src/errors.ts';
import type { GdbTarget } from './target.ts';

/** A command: what it is for, and what it prints. */
interface MonitorCommand {
  readonly usage: string;
  readonly about: string;
  run(target: GdbTarget, vcpu: number, words: readonly string[]): string | Promise<string>;
}

const MOST_BYTES = 4096;
const BYTES_IN_LINE = 16;

const COMMANDS: Readonly<Record<string, MonitorCommand>> = {
  help: {
    usage: 'help',
    about: 'this list',
    run: () => helpText(),
  },
  regs: {
    usage: 'regs',
    about: "this vCPU's mode, and its registers that are not zero, by name",
    run: async ({ debugger: dbg }, vcpu) => {
      const { mode, pc, registers } = await dbg.vcpu(vcpu);
      const values = REGISTERS.map(({ name, read }) => [name, bigOf(read(registers))] as const);
      const shown = values
        .filter(([, value]) => value !== 0n)
        .map(([name, value]) => `${name} 0x${value.toString(16)}`);
      return `vCPU ${vcpu}: ${mode.name} mode, ${mode.bits}-bit code, ring ${mode.cpl}, next instruction at linear 0x${pc.toString(16)}\n${shown.join('\n')}\n`;
    },
  },
  exits: {
    usage: 'exits',
    about: 'exits by reason and by port, of all vCPUs',
    run: async ({ debugger: dbg }) => {
      const { exits, ports } = await dbg.counts();
      const rows = [...Object.entries(exits), ...Object.entries(ports)].map(([name, n]) => `${n} ${name}\n`);
      return rows.length === 0 ? 'none yet\n' : rows.join('');
    },
  },
  phys: {
    usage: 'phys ADDRESS [LENGTH]',
    about: 'guest-physical memory',
    run: ({ debugger: { machine } }, _vcpu, [where = '', length = '64']) => {
      const gpa = numberIn(where);
      const size = numberIn(length);
      if (gpa === undefined || size === undefined || size < 1 || size > MOST_BYTES)
        return `usage: monitor phys ADDRESS [LENGTH], at most ${MOST_BYTES} bytes\n`;
      const bytes = new Uint8Array(size);
      if (!machine.readPhysical(gpa, bytes)) return `${checkPhysical(machine, gpa, size)}\n`;
      return dump(gpa, bytes);
    },
  },
  checkpoint: {
    usage: 'checkpoint [TAG]',
    about: 'takes a checkpoint',
    run: ({ monitor }, _vcpu, [tag]) => monitor.checkpoint(tag),
  },
  log: {
    usage: 'log',
    about: 'the checkpoints of its store',
    run: ({ monitor }) => monitor.log(),
  },
  position: {
    usage: 'position',
    about: 'of a recording: where it stands, as exits and steps since',
    run: ({ debugger: { past } }) => `${past?.position ?? NO_PAST}\n`,
  },
  goto: {
    usage: 'goto POSITION|begin|end',
    about: 'of a recording: goes there; then: maintenance flush register-cache',
    run: ({ debugger: { past } }, _vcpu, [where = '']) => `${past?.goTo(where) ?? NO_PAST}\n`,
  },
  blame: {
    usage: 'blame SYMBOL|ADDRESS[:LENGTH]',
    about: 'of a recording: which instruction has changed it last, before here',
    run: async ({ monitor }, _vcpu, [what = '']) => (await monitor.blame?.(what)) ?? `${NO_PAST}\n`,
  },
  host: {
    usage: 'host',
    about: 'which breakpoints and steps work on this host',
    run: ({ debugger: { abilities } }) =>
      abilityLines(abilities)
        .map(([what, how]) => `${what}: ${how}\n`)
        .join(''),
  },
};

const NO_PAST = 'this machine runs, and has no recording: vmlapse run --record makes one';

const bigOf = (bytes: Uint8Array) => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

function numberIn(text: string): number | undefined {
  if (!/^(0x[0-9a-f]{1,13}|[0-9]{1,15})$/i.test(text)) return undefined;
  return Number(text);
}

function dump(gpa: number, bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_IN_LINE) {
    const row = bytes.subarray(at, at + BYTES_IN_LINE);
    const text = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    const hex = Buffer.from(row)
      .toString('hex')
      .replace(/../g, '$& ')
      .padEnd(3 * BYTES_IN_LINE);
    lines.push(`0x${(gpa + at).toString(16)}  ${hex} ${text}\n`);
  }
  return lines.join('');
}

const helpText = () => {
  const rows = Object.values(COMMANDS);
  const width = Math.max(...rows.map(({ usage }) => usage.length));
  return rows.map(({ usage, about }) => `monitor ${usage.padEnd(width)}  ${about}\n`).join('');
};

/** Runs a command line; returns what to print, errors included. */
export async function runMonitor(target: GdbTarget, vcpu: number, line: string): Promise<string> {
  const [name = '', ...words] = line.trim().split(/\s+/);
  if (!Object.hasOwn(COMMANDS, name))
    return `no command ${JSON.stringify(name.slice(0, 40))}; there are:\n${helpText()}`;
  try {
    return await COMMANDS[name]!.run(target, vcpu, words);
  } catch (error) {
    if (error instanceof VmlapseError) return `${error.message}\n`;
    throw error;
  }
}
