/** `vmlapse run FILE`: boots a guest image and stays its console until it ends. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { bootImage } from '../../../loaders/boot.ts';
import { readImage } from '../../../loaders/read.ts';
import { SymbolTable } from '../../../loaders/symbols.ts';
import { setTracer } from '../../kvm/call.ts';
import { traceLine } from '../../kvm/trace.ts';
import { Machine } from '../../machine/machine.ts';
import type { AssistMode } from '../../runner/assist.ts';
import { explainFault } from '../../runner/fault/explain.ts';
import { FAULTS, type RunResult } from '../../runner/result.ts';
import { RunningMachine } from '../../runner/running-machine.ts';
import { attachConsole } from '../console.ts';
import { EXIT, exitStatus } from '../exit-status.ts';
import { addImageOptions, type ImageOptions, type LoadedImage, loadImage } from '../image-options.ts';
import { toJson } from '../json.ts';
import { tell, writeTo } from '../output.ts';
import { type Blob, parseBlob, parseCount, parseDuration } from '../parse.ts';
import { summaryLines } from '../summary.ts';

interface RunOptions extends ImageOptions {
  readonly cpus: number;
  readonly timeout?: number;
  readonly irqchip: boolean;
  readonly assist: AssistMode;
  readonly blob?: readonly Blob[];
  readonly trace?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  vmlapse run guests/build/hello-long.elf
  vmlapse run --mem 512M --cmdline "console=ttyS0" --module initrd.img bzImage
  vmlapse run --format flat --load 0x7c00 --mode real --timeout 5s boot.bin

Exit status: what the guest wrote to the debug-exit port (& 255); 0 when it halted, powered off or asked for a reset;
1 for a guest fault or a failure; 2 for wrong usage; 124 when the time was up; 130 on Ctrl-C.
On a terminal, Ctrl-A x leaves and Ctrl-A h helps.`;

/** Adds the command. */
export function addRun(program: Command): void {
  addImageOptions(
    program.command('run').description('boot a guest image; its serial port is this terminal').argument('<file>'),
  )
    .option('--cpus <n>', 'vCPUs', parseCount, 1)
    .option('--timeout <time>', 'stop the guest after this time: 500ms, 10s, 2m', parseDuration)
    .option('--no-irqchip', 'no in-kernel interrupt controllers: interrupts by KVM_INTERRUPT, HLT exits')
    .addOption(
      new Option('--assist <when>', 'do instructions here that KVM cannot emulate')
        .choices(['auto', 'on', 'off'])
        .default('auto'),
    )
    .option('--blob <addr=file>', 'place a file in guest memory as it is; may be repeated', parseBlob)
    .option('--trace', 'print every ioctl to stderr, decoded (also: VMLAPSE_TRACE=1)')
    .option('-q, --quiet', 'no summary')
    .option('--json', 'print one JSON document with the result and the output instead')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: RunOptions) => {
      process.exitCode = await run(file, options);
    });
}

async function run(file: string, options: RunOptions): Promise<number> {
  const tracing = options.trace === true || process.env.VMLAPSE_TRACE === '1';
  if (tracing) setTracer((call) => void process.stderr.write(traceLine(call, 'vm')));
  using loaded = loadImage(file, options);
  using machine = Machine.create({ memory: options.mem, cpus: options.cpus, irqchip: options.irqchip });
  bootImage(machine, loaded.image);
  for (const blob of options.blob ?? []) {
    using content = readImage(blob.file);
    machine.memory.write(blob.gpa, content.bytes);
  }
  const transcript = options.json ? new Transcript() : undefined;
  const running = await RunningMachine.start(machine, {
    serial: (bytes) => (transcript ? transcript.add(bytes) : writeTo(process.stdout, bytes)),
    debugcon: (bytes) => writeTo(process.stderr, bytes),
    assist: options.assist,
    ...(tracing && { trace: (bytes: Uint8Array) => writeTo(process.stderr, bytes) }),
  });
  try {
    const { result, signal } = await attend(running, options);
    const explained = await withExplanation(running, result, loaded);
    report(explained, options, transcript);
    return signal === 'SIGTERM' ? EXIT.TERMINATED : exitStatus(explained);
  } finally {
    await running.close();
  }
}

/** Runs with stdin attached and signals caught; the terminal is restored whatever happens. */
async function attend(
  running: RunningMachine,
  options: RunOptions,
): Promise<{ result: RunResult; signal?: NodeJS.Signals }> {
  let signal: NodeJS.Signals | undefined;
  const caught = (name: NodeJS.Signals) => {
    signal = name;
    running.stop('interrupted');
  };
  const leave = () => caught('SIGINT');
  const detach = attachConsole({ send: (bytes) => running.send(bytes), leave, tell });
  process.on('SIGINT', caught).on('SIGTERM', caught);
  try {
    const result = await running.run(options.timeout === undefined ? {} : { timeoutMs: options.timeout });
    return { result, ...(signal && { signal }) };
  } finally {
    process.off('SIGINT', caught).off('SIGTERM', caught);
    detach();
  }
}

async function withExplanation(running: RunningMachine, result: RunResult, { image }: LoadedImage): Promise<RunResult> {
  if (!FAULTS.has(result.reason)) return result;
  const fault = await running.threads[result.vcpu]!.call('fault', result);
  const symbols = new SymbolTable(image.symbols);
  const nearest = (address: bigint) => {
    const found = symbols.nearest(address);
    return found && { name: found.symbol.name, offset: found.offset };
  };
  return { ...result, explanation: explainFault(fault, { nearest }) };
}

function report(result: RunResult, options: RunOptions, transcript: Transcript | undefined): void {
  if (transcript) {
    process.stdout.write(`${toJson({ ...result, exitStatus: exitStatus(result), ...transcript.summary() })}\n`);
    return;
  }
  if (result.explanation) tell(result.explanation);
  if (!options.quiet) for (const line of summaryLines(result)) tell(line);
}

const TRANSCRIPT_BYTES = 2 ** 20;

/** What the guest printed, for --json: the first MiB, and how much more there was. */
class Transcript {
  readonly #chunks: Uint8Array[] = [];
  #kept = 0;
  #dropped = 0;

  add(bytes: Uint8Array): void {
    const keep = Math.min(bytes.length, TRANSCRIPT_BYTES - this.#kept);
    if (keep > 0) this.#chunks.push(bytes.subarray(0, keep));
    this.#kept += Math.max(keep, 0);
    this.#dropped += bytes.length - Math.max(keep, 0);
  }

  summary(): { output: string; outputDropped: number } {
    return { output: Buffer.concat(this.#chunks).toString('latin1'), outputDropped: this.#dropped };
  }
}
