/** Debian's QEMU as the yardstick: found on PATH, driven over QMP (the QEMU Machine Protocol) on its standard streams. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { Skip } from './bench.ts';
import { tied } from './tied.ts';

/** Absolute path of a program on PATH. Throws {@link Skip} naming the Debian package when there is none. */
export function onPath(program: string, debianPackage: string): string {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  throw new Skip(`${program} is not on PATH; on Debian: apt-get install ${debianPackage}`);
}

export const qemuProgram = (): string => onPath('qemu-system-x86_64', 'qemu-system-x86');

/** What QEMU is given so that it starts as little as it can: no default devices, no display, KVM. */
export const QEMU_BASE = ['-accel', 'kvm', '-nodefaults', '-no-user-config', '-display', 'none'] as const;

/** What it may take to end when it is told to; then it is killed. */
const QUIT_MS = 5000;

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
}

/** A running QEMU with its monitor. */
export class Qemu implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  readonly #closed: Promise<void>;
  #complaint = '';
  #ended = false;

  private constructor(args: readonly string[]) {
    this.#process = spawn(...tied(qemuProgram(), [...QEMU_BASE, ...args, '-qmp', 'stdio']));
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    this.#lines = createInterface({ input: this.#process.stdout });
    this.#lines.on('line', (line) => this.#take(JSON.parse(line) as Reply));
    this.#process.stdin.on('error', () => {}); // it has ended; that is told below
    this.#process.on('error', (error) => {
      this.#complaint += error.message;
    });
    this.#closed = new Promise((resolve) => {
      this.#process.on('close', () => {
        this.#ended = true;
        for (const { reject } of this.#waiting.splice(0)) reject(this.#endError());
        resolve();
      });
    });
  }

  #endError(): Error {
    return new Error(`QEMU ended: ${this.#complaint.trim()}`);
  }

  /** Starts QEMU with extra arguments and negotiates with its monitor. */
  static async start(args: readonly string[]): Promise<Qemu> {
    const qemu = new Qemu(args);
    try {
      await qemu.command('qmp_capabilities');
      return qemu;
    } catch (error) {
      await qemu[Symbol.asyncDispose]();
      throw error;
    }
  }

  #take(reply: Reply): void {
    if (reply.event !== undefined || !('return' in reply || 'error' in reply)) return;
    const waiting = this.#waiting.shift();
    if (reply.error) waiting?.reject(new Error(reply.error.desc));
    else waiting?.resolve(reply.return);
  }

  /** Issues a QMP command and returns what it returned. */
  command<T = unknown>(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) return reject(this.#endError());
      this.#waiting.push({ resolve: (value) => resolve(value as T), reject });
      this.#process.stdin.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  /** Issues a command of the human monitor; it answers with an empty string, or says what is wrong. */
  async human(line: string): Promise<void> {
    const answer = await this.command<string>('human-monitor-command', { 'command-line': line });
    if (answer.trim()) throw new Error(`QEMU ${line}: ${answer.trim()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), QUIT_MS);
    this.command('quit').catch(() => this.#process.kill());
    await this.#closed;
    clearTimeout(patience);
  }
}
