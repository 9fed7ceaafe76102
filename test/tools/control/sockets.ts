/** Control sockets for tests: a runtime folder of its own, a machine that only remembers, and a client of raw bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTo } from '../../../tools/control/machines.ts';
import type { MachineStatus, MethodName, Methods } from '../../../tools/control/protocol.ts';
import type { ControlTarget } from '../../../tools/control/server.ts';

/** Points XDG_RUNTIME_DIR at a new folder until disposed. */
export function ownRuntimeFolder(): Disposable & { readonly path: string } {
  const before = process.env.XDG_RUNTIME_DIR;
  const path = mkdtempSync(join(tmpdir(), 'vmlapse-control-'));
  process.env.XDG_RUNTIME_DIR = path;
  return {
    path: join(path, 'vmlapse'),
    [Symbol.dispose]: () => {
      if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
      else process.env.XDG_RUNTIME_DIR = before;
      rmSync(path, { recursive: true, force: true });
    },
  };
}

const STATUS: MachineStatus = {
  name: 'fake',
  pid: 1,
  state: 'running',
  cpus: 1,
  memory: 2 ** 20,
  started: '2026-01-01T00:00:00.000Z',
  uptimeMs: 1,
  checkpointing: false,
};

const SCREEN: Methods['screen']['result'] = {
  columns: 1,
  rows: 1,
  cells: 'A\x07',
  cursorLines: [13, 14],
  height: 16,
  blink: true,
  colours: Array.from({ length: 16 }, (_, i) => i),
  graphics: false,
};

/** A machine that is none: it writes down what it is asked, and answers what a test wants it to. */
export function fakeTarget(answers: Partial<ControlTarget> = {}) {
  const calls: { readonly method: string; readonly params: object }[] = [];
  const noted =
    <R>(method: string, answer: R) =>
    (params: object): R => {
      calls.push({ method, params });
      return answer;
    };
  const summary = { digest: 'sha256:00', time: STATUS.started, stats: {} };
  const target: ControlTarget = {
    status: noted('status', STATUS),
    pause: noted('pause', { ...STATUS, state: 'paused' as const }),
    resume: noted('resume', STATUS),
    checkpoint: noted('checkpoint', summary),
    rollback: noted('rollback', { digest: 'sha256:00', pages: 0, ms: 0 }),
    diff: noted('diff', { data: {}, text: '' }),
    gdb: noted('gdb', { address: '127.0.0.1:1' }),
    step: noted('step', { what: 'one instruction', vcpu: 0, changed: [] }),
    printed: noted('printed', { since: '', pieces: [], next: 0 }),
    stop: noted('stop', { stopping: true as const }),
    input: noted('input', { taken: 1 }),
    screen: noted('screen', SCREEN),
    press: noted('press', { taken: 1 }),
    ...answers,
  };
  return { target, calls };
}

/** An answer or a notification. */
export interface Answer {
  readonly jsonrpc: string;
  readonly id?: number | string | null;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly code: string } };
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A client that sends what it is told to, well-formed or not. */
export class RawClient {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  readonly closed: Promise<void>;
  #text = '';
  #wake = () => {};

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('data', (chunk: Buffer) => {
      const lines = (this.#text + chunk.toString()).split('\n');
      this.#text = lines.pop()!;
      for (const line of lines) this.answers.push(JSON.parse(line) as Answer);
      this.#wake();
    });
    this.socket.on('end', () => this.socket.end());
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  call(method: string, params: unknown = {}, id: unknown = 1): void {
    this.send(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  }

  /** Waits until there are `count` answers, and returns them all. */
  async expect(count: number): Promise<readonly Answer[]> {
    while (this.answers.length < count) {
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const gone = this.closed.then(() => {
        if (this.answers.length < count) throw new Error(`closed after ${JSON.stringify(this.answers)}`);
      });
      await Promise.race([more, gone]);
    }
    return this.answers;
  }

  /** Sends text and waits for one answer more. */
  async ask(text: string | Uint8Array): Promise<Answer> {
    const count = this.answers.length + 1;
    this.send(text);
    return (await this.expect(count))[count - 1]!;
  }
}

/** Calls a method of the machine of that name. */
export async function call<Name extends MethodName>(
  name: string,
  method: Name,
  params: Methods[Name]['params'] = {} as Methods[Name]['params'],
): Promise<Methods[Name]['result']> {
  const client = await connectTo(name);
  try {
    return await client.call(method, params);
  } finally {
    client.close();
  }
}

/** Resolves when the machine of that name can be reached; rejects when its process ends first. */
export async function reachable(name: string, outcome: Promise<unknown>): Promise<void> {
  let ended: unknown;
  void outcome.then((value) => {
    ended = value;
  });
  for (;;) {
    try {
      return void (await call(name, 'status'));
    } catch (error) {
      if (ended) throw new Error(`it ended: ${JSON.stringify(ended)}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
