import type { Socket } from 'node:net';
import { ControlError, type ErrorData, errorFromData } from '../../src/errors.ts';
import { LineReader, TOO_LONG } from './lines.ts';
import {
  type EndSummary,
  type EventName,
  isEvent,
  isResultOf,
  type MachineEvent,
  type MethodName,
  type Methods,
} from './protocol.ts';
import { type RpcErrorData, requestLine } from './rpc.ts';

/** Bytes of one answer or event. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

interface Pending {
  resolve(result: never): void;
  reject(error: Error): void;
}

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: RpcErrorData;
  readonly method?: string;
  readonly params?: unknown;
}

/** Calls methods of a running machine over its control socket, and receives its events. Close it after use. */
export class ControlClient {
  readonly name: string;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #lines = new LineReader(MAX_ANSWER_BYTES);
  #onEvent: (event: MachineEvent) => void = () => {};
  #nextId = 1;
  #end: EndSummary | undefined;
  /** Resolves when the machine, or this side, has closed the connection. */
  readonly closed: Promise<void>;

  /** Takes over a connected socket. */
  constructor(name: string, socket: Socket) {
    this.name = name;
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const line of this.#lines.push(chunk)) this.#receive(line);
    });
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#failAll(
          new ControlError('GONE', `machine ${name} has closed the connection: it has ended, or dropped this client`),
        );
        resolve();
      });
    });
  }

  #receive(line: string | typeof TOO_LONG): void {
    const message = line === TOO_LONG ? undefined : parse(line);
    if (!message) {
      this.#failAll(new ControlError('BAD_ANSWER', `machine ${this.name} sent something that is no answer`));
      this.close();
    } else if (message.method === 'event') {
      if (isEvent(message.params)) this.#hear(message.params);
    } else if (message.error) this.#fail(message.id, asError(message.error));
    else this.#takePending(message.id)?.resolve(message.result as never);
  }

  #hear(event: MachineEvent): void {
    if (event.event === 'end') this.#end = { reason: event.reason, exitStatus: event.exitStatus };
    this.#onEvent(event);
  }

  /** How the machine has ended, if its event "end" was heard. */
  get end(): EndSummary | undefined {
    return this.#end;
  }

  /** An error without an id is about the connection. */
  #fail(id: number | null | undefined, error: Error): void {
    if (id === undefined || id === null) this.#failAll(error);
    else this.#takePending(id)?.reject(error);
  }

  #takePending(id: number | undefined): Pending | undefined {
    const pending = this.#pending.get(id ?? 0);
    this.#pending.delete(id ?? 0);
    return pending;
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /**
   * Calls a method. Rejects with the error that the machine answered, or with ControlError GONE, BAD_ANSWER, or SILENT
   * after `timeoutMs` milliseconds (default: no limit).
   */
  call<Name extends MethodName>(
    method: Name,
    params: Methods[Name]['params'],
    timeoutMs?: number,
  ): Promise<Methods[Name]['result']> {
    if (this.#socket.destroyed) {
      return Promise.reject(new ControlError('GONE', `machine ${this.name} has closed the connection`));
    }
    const id = this.#nextId++;
    const answer = new Promise<Methods[Name]['result']>((resolve, reject) => {
      const take = (result: Methods[Name]['result']) =>
        isResultOf(method, result) ? resolve(result) : reject(notAnAnswer(this.name, method));
      this.#pending.set(id, { resolve: take as Pending['resolve'], reject });
      this.#socket.write(requestLine(id, method, params));
    });
    if (timeoutMs === undefined) return answer;
    const timer = setTimeout(() => this.#takePending(id)?.reject(silent(this.name, timeoutMs)), timeoutMs);
    return answer.finally(() => clearTimeout(timer));
  }

  /** Subscribes to events; calls `onEvent` with each. */
  async subscribe(events: readonly EventName[], onEvent: (event: MachineEvent) => void): Promise<void> {
    this.#onEvent = onEvent;
    await this.call('subscribe', { events });
  }

  /**
   * Waits for an answer of a machine that may end first. Resolves with undefined if it did, and its event "end" was heard.
   * Rejects as `answer` does.
   */
  async unlessEnded<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof ControlError && error.code === 'GONE')) throw error;
      await this.closed;
      if (!this.#end) throw error;
      return undefined;
    }
  }

  /** Reads nothing until `busy` resolves. A client that does not read for long is disconnected by the machine. */
  async holdUntil(busy: Promise<void> | undefined): Promise<void> {
    if (!busy) return;
    this.#socket.pause();
    await busy;
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function parse(line: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === 'object' && message !== null ? (message as Message) : undefined;
  } catch {
    return undefined;
  }
}

function asError({ message, data }: RpcErrorData): Error {
  const known = data as Partial<ErrorData> | null | undefined;
  const whole = typeof known?.name === 'string' && typeof known.code === 'string' && typeof known.message === 'string';
  return whole ? errorFromData(known as ErrorData) : new ControlError('REFUSED', String(message));
}

const notAnAnswer = (name: string, method: string) =>
  new ControlError(
    'BAD_ANSWER',
    `machine ${name} answered ${method} with something else: it runs another version of vmlapse; use that one`,
  );

const silent = (name: string, ms: number) =>
  new ControlError('SILENT', `machine ${name} has not answered for ${ms} ms; its process may be stopped or very busy`);
